/**
 * The rsync algorithm in WebAssembly: signature, delta and patch, in librsync's formats and with no Node API.
 * {@link loadRsync} is where to begin.
 */

export { DeltaBuilder } from './delta-builder.js';
export { RsyncError, type RsyncErrorCode } from './errors.js';
export type { SignatureFormat, SignatureParameters } from './formats.js';
export { type Basis, PatchDecoder, type PatchOptions } from './patch-decoder.js';
export { loadRsync, loadRsyncAsync, Rsync } from './rsync.js';
export { Signature, SignatureLoader } from './signature.js';
export { SignatureBuilder, type SignatureOptions } from './signature-builder.js';
export type { WasmModule } from './wasm.js';
