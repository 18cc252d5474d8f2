/** Progress on one line that keeps its place in a terminal, or on plain lines now and then elsewhere. */

const STAGES = {
  load: 'loading the model',
  sound: 'listening',
  text: 'reading the words',
  picture: 'reading the picture',
  prepare: 'preparing',
  encode: 'reading the picture',
  denoise: 'imagining the motion',
  render: 'moving the picture',
};

const PLAIN_EVERY_MS = 5000;

/** @typedef {import('../../src/app/running-clock.ts').LiveProgress} LiveProgress */

export class StatusLine {
  /** @param {NodeJS.WriteStream} stream */
  constructor(stream) {
    this.stream = stream;
    this.shown = '';
    this.stage = '';
    this.shownAt = -Infinity;
  }

  /** @param {LiveProgress} progress */
  show({ stage, step, steps, done, leftMs, elapsedMs }) {
    const name = STAGES[/** @type {keyof typeof STAGES} */ (stage)] ?? stage;
    const count = steps > 1 ? ` ${Math.floor(step)}/${steps}` : '';
    const time =
      leftMs === undefined ? `${durationText(elapsedMs)} so far` : `${durationText(leftMs)} left`;
    const line = `${String(Math.floor(100 * done)).padStart(3)} %  ${name}${count}, ${time}`;
    if (line === this.shown) return;
    if (this.stream.isTTY) {
      this.stream.write(`\r${line.padEnd(this.shown.length)}`);
    } else {
      const now = performance.now();
      if (stage === this.stage && now - this.shownAt < PLAIN_EVERY_MS) return;
      this.stream.write(`${line}\n`);
      this.shownAt = now;
    }
    this.shown = line;
    this.stage = stage;
  }

  /** Takes the line away, so that others can write. */
  clear() {
    if (this.stream.isTTY && this.shown !== '') {
      this.stream.write(`\r${' '.repeat(this.shown.length)}\r`);
    }
    this.shown = '';
  }
}

/**
 * Returns a duration in the unit that suits it.
 * @param {number} ms
 */
export function durationText(ms) {
  const seconds = Math.ceil(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  return minutes === 0 ? `${seconds} s` : `${minutes} min ${seconds % 60} s`;
}
