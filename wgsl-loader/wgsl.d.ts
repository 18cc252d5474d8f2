/** Types of `import source from './x.wgsl'`, as made by the Vite plugin beside this file. */
declare module '*.wgsl' {
  const source: {
    /** Path below src/shaders, without the ending: `matmul`, `lib/keep`. */
    readonly name: string;
    /** Declared parameters, each `NAME` or `NAME type`, includes counted in, each once. */
    readonly params: string[];
    /** The text with includes resolved, without comments and `#param` lines; `#if` lines still in it. */
    readonly code: string;
  };
  export default source;
}
