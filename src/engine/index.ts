/** The engine's public API. */
export { openDevice } from './gpu/device.ts';
export type { Capabilities, Gpu } from './gpu/device.ts';
export { EngineError } from './gpu/errors.ts';
export { Profiler } from './graph/profile.ts';
export type { Span } from './graph/profile.ts';
export { coverFit, uprightSize } from './image/fit.ts';
export { checkPictureBytes, PICTURE_LIMITS, readPictureHeader } from './image/header.ts';
export type { PictureFormat } from './image/header.ts';
export { isMovingPicture } from './image/moving.ts';
export { catalogModel, parseCatalog } from './models/catalog.ts';
export type { Catalog, CatalogModel, CatalogPart } from './models/catalog.ts';
export { Library, libraryModels } from './models/library.ts';
export type { DownloadCheck, FetchOptions, KeptModel, LibraryModel } from './models/library.ts';
export { parseClipModels } from './models/unet3d/catalog.ts';
export { openWan } from './models/wan/animate.ts';
export { bestFit, fitWan, RESERVED_BYTES } from './models/wan/fit.ts';
export type { FitRequest, WanChoice, WanFit } from './models/wan/fit.ts';
export { forecastWan } from './models/wan/forecast.ts';
export type { Forecast, StageForecast, WanFootprint, WanParts } from './models/wan/forecast.ts';
export { openReleased, partsOf, shapeOf } from './models/wan/released.ts';
export type { ReleasedOptions } from './models/wan/released.ts';
export { meterBuffers } from './gpu/memory.ts';
export { checkMemory } from './memory-check.ts';
export { clipShape, isClipFolder, openClips, openReleasedClips } from './open-clips.ts';
export { run, runToMp4 } from './pipeline.ts';
export type { Mp4Context, Mp4Result } from './pipeline.ts';
export { msOfWork, probeSpeeds } from './probe.ts';
export type { Speeds } from './probe.ts';
export { residentEngine, submitsOf } from './resident.ts';
export type { ResidentEngine, RunMeasures } from './resident.ts';
export { runnableMotion } from './run-motion.ts';
export { runnableWan } from './run-wan.ts';
export type { MotionFiles as MotionModelFiles } from './models/motion/index.ts';
export type { WanFiles as WanModelFiles } from './models/wan/animate.ts';
export { byKernel, byStage } from './profile/summary.ts';
export { chromeTrace } from './profile/trace.ts';
export type { ProgressEvent } from './progress.ts';
export { USUAL_SHAPE } from './run.ts';
export type {
  Checkpoint,
  CheckpointSink,
  ExpectedStage,
  ModelContext,
  ModelReport,
  Picture,
  PlanRequest,
  Preview,
  Run,
  RunContext,
  RunFrame,
  RunNotice,
  RunPlan,
  RunReport,
  RunRequest,
  RunnableModel,
  StagePlan,
  Takes,
  Work,
} from './run.ts';
export { speakToMp4 } from './speak.ts';
export type { AvatarSettings, Sound, SpeakOptions, SpokenVideo } from './speak.ts';
export { openAvatar, runnableAvatar } from './run-avatar.ts';
export { openNewbie, runnableNewbie } from './run-newbie.ts';
export {
  isPictureFolder,
  openPictureFolder,
  openReleasedPicture,
  pictureNames,
  pictureShape,
} from './open-pictures.ts';
export { runnablePainted } from './run-painted.ts';
export type { Painting } from './run-painted.ts';
export { isXmlPrompt, readPrompt, writePrompt } from './models/newbie/prompt.ts';
export type { NewbiePrompt } from './models/newbie/prompt.ts';
export type { NewbieFiles } from './run-newbie.ts';
export type { AvatarFiles } from './run-avatar.ts';
export { outputSize, PRESETS, resolveSettings, SETTING_LIMITS } from './settings.ts';
export type { PrecisionChoice, Preset, Settings } from './settings.ts';
export type { WeightsChoice } from './weights/policy.ts';
export type { SoundCodec } from './video/sound-track.ts';
export { indexedDbStore } from './tuning/indexed-db-store.ts';
export { blobSource, bytesSource } from './weights/byte-source.ts';
export type { ByteSource } from './weights/byte-source.ts';
export { readWav } from './audio/wav.ts';
export { directoryFiles, pickedFiles, urlFiles, withPaths } from './weights/model-files.ts';
export type { ModelFiles, PickedFile } from './weights/model-files.ts';
export { urlSource } from './weights/remote-file.ts';
export type { ModelProgress } from './weights/model-download.ts';
export { browserEnvironment, isFullStorage, Store } from './weights/store.ts';
export type { StoreEntry } from './weights/store.ts';
export { CAMERA_WORDS, readWishes } from './wishes.ts';
export { decodeFrames } from './video/decoder.ts';
export { fileComment } from './video/file-tags.ts';
export { markedGif, markedPng } from './video/marking.ts';
export type { VideoMarking } from './video/marking.ts';
export { createMp4Writer, markedMp4 } from './video/mp4-writer.ts';
export { readMp4Tags } from './video/mp4-metadata.ts';
export { createWebmWriter } from './video/webm-writer.ts';
export type { VideoWriter } from './video/writer.ts';
