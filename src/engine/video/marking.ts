/**
 * What a finished video says about itself: which program made it, with which settings if the user agrees, and,
 * readable by machines, that a trained model took part. The mark follows the IPTC digital source type (also used
 * by C2PA) and the AIGC field of China's labelling rules (GB 45438-2025).
 */
import type { Mp4Tags } from './mp4-metadata.ts';

/** A photograph went in, a trained model moved it. */
export const SOURCE_TYPE =
  'http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia';

export type VideoMarking = {
  /** Program and version. */
  readonly tool: string;
  /** Written as JSON into the comment; leave out to tell nothing about prompt and seed. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** The mark of generated content; left out only when the user has switched it off. */
  readonly generated?: { readonly producer: string; readonly id: string };
};

/** Returns the tags to write. */
export function markingTags({ tool, settings, generated }: VideoMarking): Mp4Tags {
  const tags = new Map([['tool', tool]]);
  if (settings) tags.set('comment', JSON.stringify(settings));
  if (generated) {
    const label = {
      Label: '1', // certainly generated
      ContentProducer: generated.producer,
      ProduceID: generated.id,
      ReservedCode1: '',
      ContentPropagator: '',
      PropagateID: '',
      ReservedCode2: '',
    };
    tags.set('AIGC', JSON.stringify(label));
    tags.set('DigitalSourceType', SOURCE_TYPE);
  }
  return tags;
}

/** Returns the mark as an XMP packet, the form that photo archives read. */
export const markingXmp = (): string =>
  [
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">',
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
    '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">',
    `<Iptc4xmpExt:DigitalSourceType>${SOURCE_TYPE}</Iptc4xmpExt:DigitalSourceType>`,
    '</rdf:Description></rdf:RDF></x:xmpmeta>',
    '<?xpacket end="r"?>',
  ].join('\n');
