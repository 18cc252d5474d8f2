/** Counts the bytes that live in buffers of a device, and the most there have been at once. */

/** A device's bytes in buffers. */
export type BufferMeter = {
  readonly liveBytes: number;
  readonly peakBytes: number;
  /** Makes the peak what lives now. */
  resetPeak(): void;
};

const meters = new WeakMap<GPUDevice, BufferMeter>();

/** Returns the meter of `device`, the same one every time; it sees the buffers made after its first use. */
export function meterBuffers(device: GPUDevice): BufferMeter {
  const known = meters.get(device);
  if (known) return known;
  let live = 0;
  let peak = 0;
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    live += buffer.size;
    peak = Math.max(peak, live);
    const destroy = buffer.destroy.bind(buffer);
    let isLive = true;
    buffer.destroy = () => {
      if (isLive) live -= buffer.size;
      isLive = false;
      destroy();
    };
    return buffer;
  };
  const meter: BufferMeter = {
    get liveBytes() {
      return live;
    },
    get peakBytes() {
      return peak;
    },
    resetPeak() {
      peak = live;
    },
  };
  meters.set(device, meter);
  return meter;
}
