/**
 * What a finished file says about itself: which program made it, with which settings if the user agrees, and always,
 * readable by machines, that a trained model took part. The mark follows the IPTC digital source type (also used
 * by C2PA) and the AIGC field of China's labelling rules (GB 45438-2025, TC260-PG-20258A).
 */
import { appendGifMarks } from './gif-marks.ts';
import { withPngTexts } from './png-text.ts';
import type { Mp4Tags } from './mp4-metadata.ts';

/** A photograph went in, a trained model moved it. */
export const SOURCE_TYPE =
  'http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia';

/** What the user decides about it. */
export type VideoMarking = {
  /** Program and version. */
  readonly tool: string;
  /** Written as JSON into the comment; leave out to tell nothing about prompt and seed. */
  readonly settings?: Readonly<Record<string, unknown>>;
};

/**
 * Resolves to the number that the mark calls a file by: the first 16 hexadecimal digits of the SHA-256 of its pictures. It
 * says nothing that the file itself does not say, and is the same for the same pictures.
 */
export async function produceId(content: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Returns the AIGC field as JSON. */
const aigcLabel = ({ tool }: VideoMarking, id: string): string =>
  JSON.stringify({
    Label: '1', // certainly generated
    ContentProducer: tool,
    ProduceID: id,
    ReservedCode1: '',
    ContentPropagator: '',
    PropagateID: '',
    ReservedCode2: '',
  });

/** Returns JSON in ASCII, for formats that know no other letters. */
export const asciiJson = (value: unknown): string =>
  JSON.stringify(value).replaceAll(
    /[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** Resolves to a PNG file with tags, mark and XMP in front of its pixels. Throws `video/damaged`. */
export async function markedPng(
  file: Uint8Array<ArrayBuffer>,
  marking: VideoMarking,
): Promise<Uint8Array<ArrayBuffer>> {
  const { tool, settings } = marking;
  const id = await produceId(file);
  const texts = new Map([
    ['Software', tool],
    ...(settings ? [['Comment', asciiJson(settings)] as const] : []),
    ['AIGC', aigcLabel(marking, id)],
    ['DigitalSourceType', SOURCE_TYPE],
  ]);
  return withPngTexts(file, texts, markingXmp(marking, id));
}

/** Resolves to a GIF file with settings, mark and XMP behind its last picture. Throws `video/damaged`. */
export async function markedGif(
  file: Uint8Array<ArrayBuffer>,
  marking: VideoMarking,
): Promise<Uint8Array<ArrayBuffer>> {
  const { settings } = marking;
  const xmp = markingXmp(marking, await produceId(file));
  return appendGifMarks(file, settings ? asciiJson(settings) : '', xmp);
}

/** Returns the tags to write, in the names that MP4 files use. */
export function markingTags(marking: VideoMarking, id: string): Mp4Tags {
  const { tool, settings } = marking;
  return new Map([
    ['tool', tool],
    ...(settings ? [['comment', JSON.stringify(settings)] as const] : []),
    ['AIGC', aigcLabel(marking, id)],
    ['DigitalSourceType', SOURCE_TYPE],
  ]);
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Returns the mark as an XMP packet, the form that photo archives read. */
export const markingXmp = (marking: VideoMarking, id: string): string =>
  [
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/">',
    `<Iptc4xmpExt:DigitalSourceType>${SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>`,
    `<TC260:AIGC>${escaped(aigcLabel(marking, id))}</TC260:AIGC>`,
    '</rdf:Description></rdf:RDF></x:xmpmeta>',
    '<?xpacket end="r"?>',
  ].join('\n');
