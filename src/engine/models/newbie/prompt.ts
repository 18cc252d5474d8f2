/**
 * Prompts as NewBie was trained on them: tags sorted into XML elements, each of them optional. Written from fields, read
 * back with every mistake named, and joined with the system prompt that belongs to them.
 */
import { EngineError } from '../../gpu/errors.ts';

const CHARACTER_FIELDS = [
  'n',
  'gender',
  'appearance',
  'clothing',
  'expression',
  'action',
  'interaction',
  'position',
] as const;
const GENERAL_FIELDS = [
  'count',
  'artists',
  'style',
  'background',
  'environment',
  'perspective',
  'atmosphere',
  'lighting',
  'resolution',
  'quality',
  'objects',
  'other',
] as const;

export type CharacterField = (typeof CHARACTER_FIELDS)[number];
export type GeneralField = (typeof GENERAL_FIELDS)[number];

/** Tags by field; a tag is words joined with underscores. */
type Tags<F extends string> = Readonly<Partial<Record<F, readonly string[]>>>;

/** A prompt in the fields that the model was trained with. */
export type NewbiePrompt = {
  readonly characters?: readonly Tags<CharacterField>[];
  readonly general?: Tags<GeneralField>;
  /** What the picture shows, in sentences. */
  readonly caption?: string;
};

/** The texts of the two encoders: Gemma's with a system prompt in front, Jina's without. */
export type PromptTexts = { readonly gemma: string; readonly jina: string };

/** System prompts of training, each with the space behind its marker. */
export const SYSTEM_PROMPTS = {
  xml: 'You are an assistant designed to generate high-quality anime images based on xml format prompts. <Prompt Start> ',
  tags: 'You are an assistant designed to generate high-quality anime images with the highest degree of image-text alignment based on textual prompts. <Prompt Start> ',
} as const;

const ELEMENT = /<\/?(character_\d+|general_tags|caption)>/;

/** Returns whether a prompt is meant as XML: it has an element of the model's, or what looks like one. */
export const isXmlPrompt = (prompt: string): boolean => /<\/?[a-z_\d]+>/i.test(prompt);

/** Returns the prompt as both encoders read it. An empty prompt stays empty; `system` replaces the usual choice. */
export function promptTexts(prompt: string, system?: string): PromptTexts {
  if (prompt === '') return { gemma: '', jina: '' };
  const usual = ELEMENT.test(prompt) ? SYSTEM_PROMPTS.xml : SYSTEM_PROMPTS.tags;
  return { gemma: (system ?? usual) + prompt, jina: prompt };
}

/**
 * Returns the XML of a prompt; fields without tags are left out, parentheses in tags are escaped. Throws `text/prompt`
 * for a tag that is empty or holds a comma, an angle bracket or a line break, and for a caption with angle brackets.
 */
export function writePrompt({ characters = [], general = {}, caption }: NewbiePrompt): string {
  const element = (name: string, inner: string): string => `<${name}>${inner}</${name}>`;
  const section = <F extends string>(name: string, tags: Tags<F>, fields: readonly F[]): string => {
    const lines = fields.flatMap((field) => {
      const own = tags[field] ?? [];
      return own.length === 0
        ? []
        : [element(field, own.map((tag) => checkTag(field, tag)).join(', '))];
    });
    return lines.length === 0 ? '' : element(name, `\n${lines.join('\n')}\n`);
  };
  const sections = [
    ...characters.map((tags, i) => section(`character_${i + 1}`, tags, CHARACTER_FIELDS)),
    section('general_tags', general, GENERAL_FIELDS),
    caption === undefined || caption.trim() === '' ? '' : element('caption', checkCaption(caption)),
  ];
  return sections.filter((text) => text !== '').join('\n');
}

/** Parentheses mean weights to many tools; the training texts have them escaped. */
function checkTag(field: string, tag: string): string {
  const bare = tag.trim();
  if (bare === '' || /[,<>\n\r]/.test(bare))
    throw wrong(
      `tag in <${field}>`,
      JSON.stringify(tag),
      'words without commas, angle brackets or line breaks',
    );
  return bare.replace(/\\?([()])/g, '\\$1');
}

function checkCaption(caption: string): string {
  if (/[<>]/.test(caption)) throw wrong('caption', 'angle brackets', 'sentences without them');
  return caption.trim();
}

type Part =
  | { readonly kind: 'open' | 'close'; readonly name: string }
  | { readonly kind: 'text'; readonly text: string };

/**
 * Returns the fields of an XML prompt, with parentheses in tags unescaped. Throws `text/prompt` for an element that is
 * unknown, out of place, given twice or not closed, for characters that are not numbered from 1 on, and for text that
 * stands outside of a field.
 */
export function readPrompt(text: string): NewbiePrompt {
  const sections = elementsIn(partsOf(text), 'the prompt');
  const characters: Tags<CharacterField>[] = [];
  let general: Tags<GeneralField> | undefined;
  let caption: string | undefined;
  for (const { name, inner } of sections) {
    const [, number] = /^character_(\d+)$/.exec(name) ?? [];
    if (number !== undefined) {
      if (Number(number) !== characters.length + 1)
        throw wrong('character', `<${name}>`, `<character_${characters.length + 1}> next`);
      characters.push(tagsIn(inner, name, CHARACTER_FIELDS));
    } else if (name === 'general_tags') {
      if (general) throw wrong('prompt', 'two <general_tags>', 'one');
      general = tagsIn(inner, name, GENERAL_FIELDS);
    } else if (name === 'caption') {
      if (caption !== undefined) throw wrong('prompt', 'two <caption>', 'one');
      caption = textIn(inner, name);
    } else throw wrong('element', `<${name}>`, '<character_1>, …, <general_tags> or <caption>');
  }
  return {
    ...(characters.length > 0 && { characters }),
    ...(general && { general }),
    ...(caption !== undefined && { caption }),
  };
}

function partsOf(text: string): Part[] {
  return text
    .split(/(<[^<>]*>)/)
    .filter((piece) => piece.trim() !== '')
    .map((piece): Part => {
      if (!/[<>]/.test(piece)) return { kind: 'text', text: piece.trim() };
      const [, slash, name] = /^<(\/?)([a-z]+(?:_[a-z0-9]+)*)>$/.exec(piece) ?? [];
      if (name === undefined) throw wrong('element', piece.trim(), 'a name in angle brackets');
      return { kind: slash === '/' ? 'close' : 'open', name };
    });
}

type Element = { readonly name: string; readonly inner: readonly Part[] };

/** The elements that stand directly in `where`, which may hold nothing else. */
function elementsIn(parts: readonly Part[], where: string): Element[] {
  const found: Element[] = [];
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part?.kind === 'text')
      throw wrong(`text in ${where}`, JSON.stringify(part.text), 'an element around it');
    if (part?.kind === 'close')
      throw wrong(`element in ${where}`, `</${part.name}>`, `<${part.name}> before it`);
    if (!part) continue;
    const { name } = part;
    const end = parts.findIndex(
      (other, at) => at > i && other.kind === 'close' && other.name === name,
    );
    if (end < 0) throw wrong(`element in ${where}`, `<${name}>`, `</${name}> behind it`);
    found.push({ name, inner: parts.slice(i + 1, end) });
    i = end;
  }
  return found;
}

function tagsIn<F extends string>(
  parts: readonly Part[],
  section: string,
  fields: readonly F[],
): Tags<F> {
  const tags: Partial<Record<F, readonly string[]>> = {};
  for (const { name, inner } of elementsIn(parts, `<${section}>`)) {
    const field = fields.find((known) => known === name);
    if (!field) throw wrong(`element in <${section}>`, `<${name}>`, `one of ${fields.join(', ')}`);
    if (tags[field]) throw wrong(`element in <${section}>`, `two <${name}>`, 'one');
    const own = textIn(inner, name)
      .split(',')
      .map((tag) => tag.trim());
    tags[field] = own.filter((tag) => tag !== '').map((tag) => tag.replace(/\\([()])/g, '$1'));
  }
  return tags;
}

function textIn(parts: readonly Part[], name: string): string {
  return parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      throw wrong(`element in <${name}>`, `<${part.name}>`, 'text alone');
    })
    .join(' ');
}

const wrong = (what: string, have: string, need: string): EngineError =>
  new EngineError('text/prompt', `${what} — got ${have}, needs ${need} — change the prompt`, {
    have,
    need,
  });
