/** A model hub on this machine: repositories with files, listed and served as the real one does. */
import { createHash } from 'node:crypto';
import type { Behaviour } from './misbehaving-server.ts';
import { honest, status } from './misbehaving-server.ts';

/** The only commit of every repository. */
export const HUB_COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** Files by their path, of repositories by their name. */
export type HubContents = ReadonlyMap<string, ReadonlyMap<string, Uint8Array>>;

/** Answers for a hub that holds `contents`; `serve` is asked for the files' bytes. */
export function hubSite(contents: HubContents, serve: Behaviour = honest): Behaviour {
  return (request) => {
    const [, owner = '', name = '', rest = ''] =
      /^(?:\/api\/models)?\/([^/]+)\/([^/?]+)(.*)$/.exec(request.url) ?? [];
    const files = contents.get(`${owner}/${name}`);
    const path = decodeURIComponent(rest.replace(`/resolve/${HUB_COMMIT}/`, ''));
    const bytes = files?.get(path);
    if (!files) status(404)(request);
    else if (rest === '') answer(request, { sha: HUB_COMMIT });
    else if (rest.startsWith(`/tree/${HUB_COMMIT}`)) answer(request, listing(files));
    else if (bytes) serve({ ...request, bytes, range: rangeOf(request.headers.range, bytes) });
    else status(404)(request);
  };
}

const listing = (files: ReadonlyMap<string, Uint8Array>): unknown =>
  [...files].map(([path, bytes]) => ({
    ...{ type: 'file', path, size: bytes.length },
    ...(path.endsWith('.safetensors') && {
      lfs: { oid: createHash('sha256').update(bytes).digest('hex'), size: bytes.length },
    }),
  }));

function answer(request: Parameters<Behaviour>[0], json: unknown): void {
  const bytes = Buffer.from(JSON.stringify(json));
  honest({ ...request, bytes, range: rangeOf(request.headers.range, bytes) });
}

function rangeOf(
  header: string | undefined,
  { length }: Uint8Array,
): readonly [number, number] | undefined {
  const [, first, last] = /(\d+)-(\d+)/.exec(header ?? '') ?? [];
  return first === undefined ? undefined : [Number(first), Math.min(length, Number(last) + 1)];
}
