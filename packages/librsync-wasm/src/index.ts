/**
 * The rsync algorithm in WebAssembly: signature, delta and patch, in librsync's formats and with no Node API.
 * {@link loadRsync} is where to begin.
 */

export { DeltaBuilder } from './delta-builder.js';
export { RsyncError, type RsyncErrorCode } from './errors.js';
export {
  type RecommendedLengths,
  recommendedLengths,
  type SignatureFormat,
  type SignatureParameters,
} from './formats.js';
export { type Basis, PatchDecoder, type PatchOptions } from './patch-decoder.js';
export { blobBasis, bytesBasis, fileHandleBasis, type RangedBasis, type RangedPatchOptions } from './ranged-patch.js';
export { loadRsync, loadRsyncAsync, Rsync } from './rsync.js';
export { Signature, SignatureLoader } from './signature.js';
export { SignatureBuilder, type SignatureOptions } from './signature-builder.js';
export type { ByteSource } from './streams.js';
export type { WasmModule } from './wasm.js';
