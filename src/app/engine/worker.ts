/** The engine's worker: says what it runs on by itself, and loads everything else when it is first asked for. */
import type { Gpu } from '../../engine/index.ts';
import { adapterName } from './adapter-name.ts';
import { failureOf } from './failure.ts';
import { device } from './own-device.ts';
import type { AdapterState, LaterRequest, Request, Response } from './protocol.ts';

type Later = (request: LaterRequest) => Promise<void>;

let later: Promise<Later> | undefined;

/** What else can be asked; a failure to load it is not kept. */
function loaded(): Promise<Later> {
  later ??= import('./requests.ts').then(({ handle }) => handle);
  later.catch(() => (later = undefined));
  return later;
}

const answer = (response: Response): void => postMessage(response);

const adapterState = (gpu: Gpu): AdapterState => ({
  name: adapterName(gpu),
  software: gpu.info.software,
  f16: gpu.caps.f16,
  subgroups: gpu.caps.subgroups,
});

async function handle(request: Request): Promise<void> {
  const { id } = request;
  try {
    if (request.type !== 'inspect') return await (await loaded())(request);
    return answer({ type: 'inspected', id, adapter: adapterState(await device.get()) });
  } catch (error) {
    return answer({ type: 'failed', id, failure: failureOf(error) });
  }
}

addEventListener('message', ({ data }: MessageEvent<Request>) => void handle(data));
