/** An adapter by name. */
import type { Gpu } from '../../engine/index.ts';

/** Returns the name of an adapter as logs and people have it. */
export const adapterName = ({ info }: Pick<Gpu, 'info'>): string =>
  [info.vendor, info.architecture, info.device, info.description].filter(Boolean).join(' ');
