/** After each GPU test file: destroys the devices it opened. */
import { afterAll } from 'vitest';
import { destroyDevices } from './gpu.ts';

afterAll(destroyDevices);
