/**
 * One web request that may be sent again: which answers are final, which are worth waiting for, and when a silent
 * connection counts as dead. What is read through it is in remote-file.ts.
 */
import { EngineError } from '../gpu/errors.ts';

export type HttpOptions = {
  readonly fetch?: typeof globalThis.fetch;
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte after which a connection is given up. */
  readonly stallMs?: number;
  /** Milliseconds to wait before each further attempt; their number is the number of further attempts. */
  readonly waitsMs?: readonly number[];
  /** Told of each failure that is tried again. */
  readonly onRetry?: (failure: EngineError, waitMs: number) => void;
};

export const STALL_MS = 20_000;
export const WAITS_MS: readonly number[] = [1000, 2000, 4000, 8000, 16_000];

/** Most milliseconds that a server's Retry-After is obeyed for. */
const LONGEST_WAIT_MS = 60_000;
/** Waits are drawn from this share of their length upwards, so that many clients do not come back at once. */
const JITTER_FROM = 0.75;

/** A failure that another attempt may cure. */
export class Retryable extends Error {
  readonly failure: EngineError;
  /** What the server asked for, in milliseconds. */
  readonly waitMs: number | undefined;

  constructor(failure: EngineError, waitMs?: number) {
    super(failure.message);
    this.failure = failure;
    this.waitMs = waitMs;
  }
}

const BUSY = [408, 425, 429, 500, 502, 503, 504];
const FORBIDDEN = [401, 403, 451];
const GONE = [404, 410];

/** An answer whose body is still to come. */
export type Answer = {
  readonly response: Response;
  /** To be called before each wait for bytes, and `rest` after it: only then does silence count. */
  watch(): void;
  rest(): void;
  /** Ends the connection; to be called in every case. */
  close(): void;
  stalled(): boolean;
};

/**
 * Resolves to the answer to a GET request, redirects followed.
 * Throws `Retryable` for a busy server, a dead connection and none at all; `weights/not-found`, `weights/forbidden`,
 * `weights/redirect` (from https to http) and `weights/http` for what no patience cures.
 */
export async function request(
  url: string,
  headers: Readonly<Record<string, string>>,
  options: HttpOptions,
): Promise<Answer> {
  const { fetch = globalThis.fetch, signal, stallMs = STALL_MS } = options;
  signal?.throwIfAborted();
  const own = new AbortController();
  const onAbort = (): void => own.abort(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  let silent = false;
  const giveUp = (): void => {
    silent = true;
    own.abort();
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const rest = (): void => clearTimeout(timer);
  const watch = (): void => {
    rest();
    timer = setTimeout(giveUp, stallMs);
  };
  const close = (): void => {
    rest();
    signal?.removeEventListener('abort', onAbort);
    own.abort();
  };
  try {
    watch();
    // What is read is kept by us or by nobody: a checkpoint would drive everything else out of the browser's cache.
    const response = await fetch(url, { headers, signal: own.signal, cache: 'no-store' });
    rest();
    checkAnswer(response, url);
    return { response, watch, rest, close, stalled: () => silent };
  } catch (error) {
    close();
    signal?.throwIfAborted();
    if (error instanceof Retryable || error instanceof EngineError) throw error;
    throw new Retryable(silent ? stall(url, stallMs) : noConnection(url, error));
  }
}

/** How often a failure may still be tried again. */
export type Patience = {
  /** Forgets earlier failures. */
  restore(): void;
  /** Waits before the next attempt; throws the failure itself when it is final or the attempts are used up. */
  after(error: unknown): Promise<void>;
};

/** Returns the patience that `options` ask for. */
export function patience({ waitsMs = WAITS_MS, signal, onRetry }: HttpOptions): Patience {
  let failures = 0;
  return {
    restore: () => {
      failures = 0;
    },
    async after(error) {
      if (!(error instanceof Retryable)) throw error;
      const planned = waitsMs[failures++];
      if (planned === undefined) throw error.failure;
      const jittered = planned * (JITTER_FROM + (1 - JITTER_FROM) * Math.random());
      const waitMs = Math.max(jittered, Math.min(error.waitMs ?? 0, LONGEST_WAIT_MS));
      onRetry?.(error.failure, waitMs);
      await pause(waitMs, signal);
    },
  };
}

/** Resolves to what `attempt` resolves to, tried as often as `options` allow. */
export async function retrying<T>(options: HttpOptions, attempt: () => Promise<T>): Promise<T> {
  const patient = patience(options);
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      await patient.after(error);
    }
  }
}

/** The failure of a connection on which nothing came for `stallMs`. */
export const stall = (url: string, stallMs: number): EngineError =>
  new EngineError(
    'weights/stalled',
    `${url} — got no byte for ${stallMs / 1000} s — check the connection and start again; what came is kept`,
    { have: 0 },
  );

const noConnection = (url: string, cause: unknown): EngineError =>
  new EngineError(
    'weights/offline',
    `${url} — got no answer — check the connection, and that the server allows this page (CORS)`,
    { cause },
  );

function checkAnswer(response: Response, url: string): void {
  const { status } = response;
  if (url.startsWith('https:') && response.url.startsWith('http:')) {
    throw new EngineError(
      'weights/redirect',
      `${url} — got led to ${response.url}, needs https all the way — use another mirror`,
      { have: response.url },
    );
  }
  if (status === 200 || status === 206 || status === 416) return;
  const details = { have: status, need: '200 or 206' };
  if (BUSY.includes(status)) {
    const failure = new EngineError(
      'weights/busy',
      `${url} — got status ${status} — the server is busy, try again later`,
      details,
    );
    throw new Retryable(failure, retryAfterMs(response));
  }
  const [kind, advice] = GONE.includes(status)
    ? ['not-found', 'check repository, commit and file name']
    : FORBIDDEN.includes(status)
      ? ['forbidden', 'the repository asks for an account or for its licence to be accepted']
      : ['http', 'check the address'];
  throw new EngineError(`weights/${kind}`, `${url} — got status ${status} — ${advice}`, details);
}

/** Milliseconds of `Retry-After`, in seconds or as a date. */
function retryAfterMs(response: Response): number | undefined {
  const text = response.headers.get('retry-after');
  if (text === null) return undefined;
  const ms = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal?.aborted) stop();
    else signal?.addEventListener('abort', stop, { once: true });
  });
}
