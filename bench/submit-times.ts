/** How long single submits keep a device. */

/** Times every submit of `queue` from now on, in milliseconds; resolved once each has ended. */
export function timeSubmits(queue: GPUQueue): readonly Promise<number>[] {
  const submit = queue.submit.bind(queue);
  const waits: Promise<number>[] = [];
  let last = Promise.resolve(0);
  queue.submit = (buffers) => {
    const submitted = performance.now();
    submit(buffers);
    const before = last;
    // A submit waits for those before it: its own time begins when they end.
    const end = queue.onSubmittedWorkDone().then(() => performance.now());
    waits.push(
      Promise.all([before, end]).then(([start, done]) => done - Math.max(start, submitted)),
    );
    last = end;
  };
  return waits;
}
