/** Frames as WebM; loaded when it is asked for. */
export { createWebmWriter } from '../../engine/index.ts';
