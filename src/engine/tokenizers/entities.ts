/** Character references of HTML turned into characters, as Python's html.unescape does for the names of HTML 4. */

/** Names of U+00A0 to U+00FF, which need no semicolon. */
const LATIN =
  'nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro ' +
  'para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil ' +
  'Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave ' +
  'Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde auml aring aelig ccedil egrave eacute ecirc euml ' +
  'igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute ' +
  'thorn yuml';

const BARE = new Map<string, string>([
  ...LATIN.split(' ').map((name, i): [string, string] => [name, String.fromCharCode(0xa0 + i)]),
  ...Object.entries({
    amp: '&',
    lt: '<',
    gt: '>',
    quot: '"',
    AMP: '&',
    LT: '<',
    GT: '>',
    QUOT: '"',
  }),
  ...Object.entries({ COPY: '©', REG: '®' }),
]);

/** Names that count with a semicolon alone. */
const CLOSED_NAMES =
  "apos ' hellip … mdash — ndash – lsquo ‘ rsquo ’ sbquo ‚ ldquo “ rdquo ” bdquo „ bull • trade ™ euro € prime ′ " +
  'larr ← uarr ↑ rarr → darr ↓ harr ↔ infin ∞ ne ≠ le ≤ ge ≥ oelig œ OElig Œ scaron š Scaron Š Yuml Ÿ fnof ƒ ' +
  'circ ˆ tilde ˜ minus − lsaquo ‹ rsaquo › permil ‰ dagger † Dagger ‡ hearts ♥ spades ♠ zwnj \u200c zwj \u200d';
const CLOSED = new Map<string, string>(
  [...CLOSED_NAMES.matchAll(/(\S+) (\S+)/g)].map(([, name = '', character = '']) => [
    name,
    character,
  ]),
);

/** What U+0080 to U+009F stand for in Windows-1252, which is what their authors meant. */
const WINDOWS = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ';

const REFERENCE = /&(#\d+;?|#[xX][\da-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/g;

/** Returns `text` with its character references replaced once; unknown ones stay. */
export const unescapeHtml = (text: string): string =>
  text.replace(REFERENCE, (whole, reference: string) =>
    reference.startsWith('#') ? numeric(reference) : named(reference, whole),
  );

function named(reference: string, whole: string): string {
  const closed = reference.endsWith(';');
  const name = closed ? reference.slice(0, -1) : reference;
  const exact = BARE.get(name) ?? (closed ? CLOSED.get(name) : undefined);
  if (exact !== undefined) return exact;
  for (let length = reference.length - 1; length > 1; length--) {
    const start = BARE.get(reference.slice(0, length));
    if (start !== undefined) return start + reference.slice(length);
  }
  return whole;
}

function numeric(reference: string): string {
  const digits = reference.replace(/[#;xX]/g, '');
  const code = parseInt(digits, /^#[xX]/.test(reference) ? 16 : 10);
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return '\ufffd';
  if (code >= 0x80 && code <= 0x9f) return WINDOWS[code - 0x80] ?? '';
  if (isNoCharacter(code)) return '';
  return String.fromCodePoint(code);
}

/** Control characters and the code points that Unicode leaves out for good. */
const isNoCharacter = (code: number): boolean =>
  code <= 0x8 ||
  code === 0xb ||
  (code >= 0xe && code <= 0x1f) ||
  code === 0x7f ||
  (code >= 0xfdd0 && code <= 0xfdef) ||
  (code & 0xfffe) === 0xfffe;
