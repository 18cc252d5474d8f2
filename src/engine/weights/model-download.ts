/** The files of a model, from repositories of a hub into the browser's storage, and from there on without a network. */
import { EngineError } from '../gpu/errors.ts';
import { bytesSource } from './byte-source.ts';
import type { ByteSource } from './byte-source.ts';
import { download } from './download.ts';
import type { DownloadOptions } from './download.ts';
import type { HubFile, HubRepository } from './hub.ts';
import type { ModelFiles } from './model-files.ts';
import { storedPacks } from './packs.ts';
import type { Store } from './store.ts';

/** A file of a model: where it comes from, and its path in the model's folder. */
export type WantedFile = {
  readonly hub: HubRepository;
  readonly file: HubFile;
  readonly as: string;
};

/** A file of a model that is known already, such as the settings in the catalog. */
export type GivenFile = { readonly as: string; readonly text: string };

export type ModelPlan = {
  readonly wanted: readonly WantedFile[];
  readonly given: readonly GivenFile[];
};

/** How far the files of a model have come, all together. */
export type ModelProgress = {
  readonly bytes: number;
  readonly totalBytes: number;
  /** Path of the file that is on its way. */
  readonly file: string;
};

/** Files of a part's folder that are read: settings, tokenizer, weights and their index. */
const READ =
  /(^|\/)(config\.json|scheduler_config\.json|tokenizer\.json|vocab\.json|merges\.txt|[^/]+\.safetensors|[^/]+\.safetensors\.index\.json)$/;

/**
 * Returns the files of a part: those of `folder`, or the one whose path matches `file`, with `config` beside it. Throws
 * `weights/missing` when the repository has none.
 */
export function planPart(
  part: string,
  hub: HubRepository,
  place: { readonly folder?: string; readonly file?: string },
  config: unknown,
): ModelPlan {
  const { folder, file } = place;
  const pattern = file === undefined ? undefined : new RegExp(file);
  const found = hub.files.filter(({ path }) =>
    pattern ? pattern.test(path) : path.startsWith(`${folder}/`) && READ.test(path),
  );
  if (found.length === 0 || (pattern && found.length > 1)) {
    throw new EngineError(
      'weights/missing',
      `${hub.repository}@${hub.commit} — got ${found.length} files for ${part} (${folder ?? file}), needs ${pattern ? 'one' : 'some'} — correct the catalog`,
      { have: found.length },
    );
  }
  if (!pattern) {
    const wanted = withoutTwins(found).map((each) => {
      const path = each.path.slice((folder ?? '').length + 1);
      return { hub, file: each, as: `${part}/${path}` };
    });
    return { wanted, given: [] };
  }
  return {
    wanted: found.map((each) => ({ hub, file: each, as: `${part}/${plainName(each.path)}` })),
    given:
      config === undefined ? [] : [{ as: `${part}/config.json`, text: JSON.stringify(config) }],
  };
}

/** What a single file is called in a model's folder: by its kind. */
function plainName(path: string): string {
  const kind = /\.(safetensors|gguf|ckpt)$/.exec(path)?.[1];
  return kind === undefined ? (path.split('/').at(-1) ?? path) : `model.${kind}`;
}

/** Leaves out weights in f32 where the same stand beside them in f16. */
function withoutTwins(files: readonly HubFile[]): readonly HubFile[] {
  const paths = new Set(files.map(({ path }) => path));
  const twinOf = (path: string): string => path.replace(/\.safetensors$/, '.fp16.safetensors');
  return files.filter(({ path }) => twinOf(path) === path || !paths.has(twinOf(path)));
}

/** Returns the files of a plan read from the hub by Range requests: to look at headers before anything is loaded. */
export const peekFiles = (plan: ModelPlan): ModelFiles =>
  filesOf(plan, ({ hub, file }) => hub.peek(file.path));

/**
 * Returns the files of a plan that are stored; `open` throws `weights/missing` for those that are not. Quantised weights
 * are kept beside them; `onPackError` is told when that fails.
 */
export const storedFiles = (
  store: Store,
  plan: ModelPlan,
  onPackError?: (error: unknown) => void,
): ModelFiles => ({
  ...filesOf(plan, async ({ hub, file }) => {
    const source = await store.open(hub.keyOf(file.path));
    if (source) return source;
    throw new EngineError('weights/missing', `${file.path} — not stored — load the model first`);
  }),
  packs: (part) => {
    const files = plan.wanted.filter(({ as }) => as.startsWith(`${part}/`));
    const from = files.map(({ hub, file }) => hub.keyOf(file.path)).join(' ');
    return storedPacks(store, from, onPackError);
  },
});

/**
 * Resolves when every file of a plan is stored, hashes compared; files that are there already cost nothing. Throws what
 * `download` throws; what came stays.
 */
export async function downloadModel(
  store: Store,
  { wanted }: ModelPlan,
  options: Omit<DownloadOptions, 'onProgress' | 'sha256'> & {
    readonly onProgress?: (progress: ModelProgress) => void;
  } = {},
): Promise<void> {
  const { onProgress, ...rest } = options;
  const totalBytes = wanted.reduce((sum, { file }) => sum + file.size, 0);
  let before = 0;
  for (const { hub, file } of wanted) {
    await download(store, hub.keyOf(file.path), () => sized(hub, file), {
      ...{ ...rest, sha256: file.sha256 },
      onProgress: (bytes) => onProgress?.({ bytes: before + bytes, totalBytes, file: file.path }),
    });
    before += file.size;
    onProgress?.({ bytes: before, totalBytes, file: file.path });
  }
}

/** Asks for a file that must have the length of its listing. */
async function sized(hub: HubRepository, { path, size }: HubFile) {
  const remote = await hub.remote(path);
  if (remote.size === size) return remote;
  throw new EngineError(
    'weights/length',
    `${path} — got ${remote.size} bytes, needs ${size} as listed — use another mirror`,
    { have: remote.size, need: size },
  );
}

function filesOf(
  { wanted, given }: ModelPlan,
  open: (file: WantedFile) => Promise<ByteSource>,
): ModelFiles {
  const texts = new Map(given.map(({ as, text }) => [as, new TextEncoder().encode(text)]));
  const files = new Map(wanted.map((each) => [each.as, each]));
  return {
    paths: [...texts.keys(), ...files.keys()],
    open: async (path) => {
      const text = texts.get(path);
      if (text) return bytesSource(text);
      const file = files.get(path);
      return file && open(file);
    },
  };
}

/** Whether all files of a plan that are fetched at all are stored, whole. Asks no network. */
export async function isStored(store: Store, { wanted }: ModelPlan): Promise<boolean> {
  const finished = new Set(
    (await store.list()).filter((entry) => entry.finished).map(({ key }) => key),
  );
  return wanted.every(({ hub, file }) => finished.has(hub.keyOf(file.path)));
}
