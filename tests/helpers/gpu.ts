import { create } from 'webgpu';
const pick: Record<string,string> = { lavapipe: 'llvmpipe', swiftshader: 'SwiftShader' };
export const adapters = (process.env.ZT_ADAPTERS ?? 'lavapipe').split(',').map((name) => ({ name }));
const keep: unknown[] = [];
export async function openGpu(name: string) { const gpu = create(['adapter=' + pick[name]]); keep.push(gpu); return { gpu }; }
