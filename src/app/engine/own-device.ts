/** The device of this worker. */
import { holdDevice } from './device.ts';

/** Its holder; nothing is opened yet. */
export const device = holdDevice(navigator.gpu);
