/**
 * The door: {@link loadRsync} gives an {@link Rsync}, which makes everything else.
 */

import { DeltaBuilder } from './delta-builder.js';
import { type Basis, PatchDecoder, type PatchOptions } from './patch-decoder.js';
import { patchRanges, type RangedBasis, type RangedPatchOptions } from './ranged-patch.js';
import { type Signature, SignatureLoader } from './signature.js';
import { SignatureBuilder, type SignatureOptions } from './signature-builder.js';
import { type ByteSource, piecesOf, transformStream } from './streams.js';
import { ArenaPool, compileAsync, compileSync, type WasmModule } from './wasm.js';

/** Makes signatures, deltas and patches. All objects made by one `Rsync` are independent of each other. */
export class Rsync {
  /** The compiled module: post it to a worker and hand it to {@link loadRsync} there, to save compiling it again. */
  readonly module: WasmModule;
  readonly #pool: ArenaPool;

  /** @internal Use {@link loadRsync}. */
  constructor(module: WasmModule) {
    this.module = module;
    this.#pool = new ArenaPool(module);
  }

  /** @throws RsyncError `INVALID_OPTION` */
  createSignature(options: SignatureOptions = {}): SignatureBuilder {
    return new SignatureBuilder(this.#pool, options);
  }

  /** For a signature that arrives in pieces. */
  createSignatureLoader(): SignatureLoader {
    return new SignatureLoader(this.#pool);
  }

  /**
   * Loads a signature of any of the four formats, given whole or as pieces.
   * @throws RsyncError `SIGNATURE_MAGIC`, `SIGNATURE_INVALID`, `SIGNATURE_TRUNCATED`, `SIGNATURE_TOO_LARGE`, `OUT_OF_MEMORY`
   */
  loadSignature(signature: Uint8Array | Iterable<Uint8Array>): Signature {
    const loader = this.createSignatureLoader();
    try {
      if (signature instanceof Uint8Array) loader.update(signature);
      else for (const piece of signature) loader.update(piece);
      return loader.finish();
    } catch (error) {
      loader.dispose();
      throw error;
    }
  }

  /** Begins the delta from the file with that signature to a new one. The signature must live until it is finished. */
  createDelta(signature: Signature): DeltaBuilder {
    return new DeltaBuilder(signature);
  }

  /** Begins to apply a delta to a basis. */
  createPatch(basis: Basis, options?: PatchOptions): PatchDecoder {
    return new PatchDecoder(basis, options);
  }

  // The same over async iterables and Web streams. What these hand out is a copy, the receiver's to keep.

  /** Signs what comes from `source`. */
  async *signature(source: ByteSource, options: SignatureOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
    const builder = this.createSignature(options);
    try {
      for await (const bytes of piecesOf(source)) yield* copied(builder.update(bytes));
      yield* copied(builder.finish());
    } finally {
      builder.dispose();
    }
  }

  /** Loads a signature that arrives in pieces. */
  async loadSignatureFrom(source: ByteSource): Promise<Signature> {
    const loader = this.createSignatureLoader();
    try {
      for await (const bytes of piecesOf(source)) loader.update(bytes);
      return loader.finish();
    } catch (error) {
      loader.dispose();
      throw error;
    }
  }

  /** Makes the delta from the file with that signature to `source`. */
  async *delta(signature: Signature, source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
    const builder = this.createDelta(signature);
    try {
      for await (const bytes of piecesOf(source)) yield* copied(builder.update(bytes));
      yield* copied(builder.finish());
    } finally {
      builder.dispose();
    }
  }

  /**
   * Applies a delta to a basis that is read asynchronously, in few and long reads.
   * @throws RsyncError as {@link PatchDecoder} does; what `basis.read` throws passes through
   */
  patch(
    basis: RangedBasis,
    delta: ByteSource,
    options?: RangedPatchOptions,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    return patchRanges(basis, piecesOf(delta), options);
  }

  /** A Web stream that signs what is written to it. */
  signatureStream(options: SignatureOptions = {}): TransformStream<Uint8Array, Uint8Array> {
    return transformStream(this.createSignature(options));
  }

  /** A Web stream that makes a delta of what is written to it. */
  deltaStream(signature: Signature): TransformStream<Uint8Array, Uint8Array> {
    return transformStream(this.createDelta(signature));
  }
}

function* copied(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  if (bytes.length > 0) yield bytes.slice();
}

let shared: Rsync | undefined;

/**
 * The rsync algorithm, ready to use: compiled in about a millisecond by the first call, which all later calls share.
 * Browsers' main threads may refuse to compile synchronously: use {@link loadRsyncAsync} there.
 * @param module a module compiled elsewhere, as {@link Rsync.module}
 */
export function loadRsync(module?: WasmModule): Rsync {
  if (module) return new Rsync(module);
  shared ??= new Rsync(compileSync());
  return shared;
}

/** As {@link loadRsync}, compiling in the background. */
export async function loadRsyncAsync(): Promise<Rsync> {
  shared ??= new Rsync(await compileAsync());
  return shared;
}
