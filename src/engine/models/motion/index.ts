/** The built-in model: one picture in, its own pixels moved along a diffused field of motion out. */
export type { AnimateOptions, LoadOptions, MotionEngine, MotionFiles, MotionModel } from './api.ts';
export type { CameraMove, CameraMoveName } from './camera.ts';
export { CAMERA_MOVES } from './camera.ts';
export type { MotionFrame, MotionProgress, MotionReport, MotionStage } from './report.ts';
export type { Ambient, MotionSettings } from './settings.ts';
export { DEFAULT_SETTINGS, completeSettings, outputSize } from './settings.ts';
export { loadMotion } from './load.ts';
export type { MotionFootprint, MotionPlan } from './plan.ts';
export { planMotion } from './plan.ts';
export type { MotionPreview } from './preview.ts';
export type { PromptReading } from './prompt.ts';
export { readPrompt } from './prompt.ts';
export type { WordMeaning } from './words.ts';
