/** WebGPU's usage bits by value: Node has no `GPUBufferUsage` global, and the specification fixes the numbers. */
export const GPUUsage = {
  mapRead: 1,
  copySrc: 4,
  copyDst: 8,
  uniform: 64,
  storage: 128,
  queryResolve: 512,
} as const;
