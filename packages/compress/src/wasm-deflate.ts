/**
 * The WebAssembly deflate of assembly/, one instance a thread. Levels 1 and 2 of zlib are slower and
 * larger than its greedy search, level 3 is slower and larger than its lazy one (`npm run bench`);
 * and its bytes depend on no version of zlib and on no processor.
 */
import { WASM_BASE64 } from './wasm.generated.js';

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  setup(chunkBytes: number): void;
  inputAt(): number;
  outputAt(): number;
  deflate(length: number, lazy: number, last: number): number;
}

/** What this file uses of WebAssembly; Node's types leave it to the DOM's. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: object };
};

/** Chunks up to this size; larger ones go to zlib. */
export const WASM_CHUNK_BYTES = 1 << 22;

let instance: Exports | undefined;
let roomFor = 0;

/** Compresses `input` into `output` and returns the length, or -1 when it does not fit there. */
export function wasmDeflate(input: Uint8Array, output: Uint8Array, search: 'greedy' | 'lazy', isLast: boolean): number {
  instance ??= new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(WASM_BASE64, 'base64'))).exports as Exports;
  if (input.length > roomFor) {
    roomFor = Math.max(input.length, 262_144);
    instance.setup(roomFor);
  }
  new Uint8Array(instance.memory.buffer, instance.inputAt(), input.length).set(input);
  const length = instance.deflate(input.length, search === 'lazy' ? 1 : 0, isLast ? 1 : 0);
  if (length > output.length) return -1;
  output.set(new Uint8Array(instance.memory.buffer, instance.outputAt(), length));
  return length;
}
