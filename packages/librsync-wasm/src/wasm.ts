/**
 * The WebAssembly module: compiled once, instantiated for each signature or builder, each instance with memory of its own.
 * Memory never shrinks, so small instances are used again and large ones are left to the garbage collector.
 */

import { RsyncError } from './errors.js';
import { WASM_BASE64 } from './wasm.generated.js';

/** The functions of assembly/index.ts. Numbers are unsigned 32-bit on the other side and come back signed. */
export interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  heapBase(): number;
  signBlocks(at: number, count: number, blockLength: number, strongLength: number, to: number): number;
  blockBegin(state: number): void;
  blockUpdate(state: number, at: number, length: number): void;
  blockEnd(state: number, at: number, length: number, to: number): void;
  chooseSums(weakKind: number, strongKind: number): void;
  describe(blockLength: number, strongLength: number, penalty: number): void;
  buildTable(
    records: number,
    count: number,
    filter: number,
    filterLog: number,
    primary: number,
    primaryLog: number,
    overflow: number,
    overflowLog: number,
    seed: number,
  ): number;
  scanBegin(state: number): void;
  scan(state: number, last: number): number;
}

/** What this package uses of the global, which neither the language's nor Node's types declare. */
declare const WebAssembly: {
  Module: new (bytes: Uint8Array) => WasmModule;
  Instance: new (module: WasmModule, imports: object) => { readonly exports: unknown };
  compile(bytes: Uint8Array): Promise<WasmModule>;
};

/** A compiled `WebAssembly.Module`; it can be sent to other threads with `postMessage`. */
export interface WasmModule {
  readonly [Symbol.toStringTag]?: string;
}

const PAGE = 65536;
const MOST_PAGES = 65536;

/** An idle instance with more memory than this is dropped rather than kept. */
const KEEP_BYTES = 8 << 20;
const KEEP_INSTANCES = 16;

let compiled: WasmModule | undefined;

export function compileSync(): WasmModule {
  compiled ??= new WebAssembly.Module(wasmBytes());
  return compiled;
}

export async function compileAsync(): Promise<WasmModule> {
  compiled ??= await WebAssembly.compile(wasmBytes());
  return compiled;
}

function wasmBytes(): Uint8Array {
  const text = atob(WASM_BASE64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** One instance and its memory, given out from the bottom up and taken back all at once. */
export class Arena {
  readonly kernel: Kernel;
  /** The whole memory. Taken anew whenever it grows: never keep it across an `alloc`. */
  bytes: Uint8Array;
  view: DataView;
  #top: number;
  readonly #base: number;

  constructor(module: WasmModule) {
    this.kernel = new WebAssembly.Instance(module, {}).exports as Kernel;
    this.bytes = new Uint8Array(this.kernel.memory.buffer);
    this.view = new DataView(this.kernel.memory.buffer);
    this.#base = this.kernel.heapBase();
    this.#top = this.#base;
  }

  /** First address not given out. */
  get top(): number {
    return this.#top;
  }

  /** Gives out `length` bytes, 64-byte aligned, with 64 bytes behind them that may be read and overwritten. Not zeroed. */
  alloc(length: number): number {
    const at = this.#top;
    this.#reach(at + length);
    return at;
  }

  /** Makes the region that ends at `top` longer, in place. */
  extend(at: number, length: number): void {
    this.#reach(at + length);
  }

  /** Takes everything back. */
  clear(): void {
    this.#top = this.#base;
  }

  #reach(end: number): void {
    const top = Math.ceil((end + 64) / 64) * 64;
    const missing = top - this.bytes.byteLength;
    if (missing > 0) {
      const pages = this.bytes.byteLength / PAGE;
      const needed = Math.ceil(missing / PAGE);
      // A third in advance, so that memory that grows in small steps is not remapped at each.
      const ahead = Math.min(Math.max(needed, Math.ceil(pages / 3)), MOST_PAGES - pages);
      if (needed > ahead || !this.#grow(ahead, needed)) {
        throw new RsyncError(
          'OUT_OF_MEMORY',
          `${Math.ceil(top / (1 << 20))} MiB are needed, more than WebAssembly memory can hold here`,
          'Use longer blocks: they make the signature smaller.',
        );
      }
      this.bytes = new Uint8Array(this.kernel.memory.buffer);
      this.view = new DataView(this.kernel.memory.buffer);
    }
    this.#top = top;
  }

  #grow(wanted: number, needed: number): boolean {
    for (const pages of [wanted, needed]) {
      try {
        this.kernel.memory.grow(pages);
        return true;
      } catch {
        // The host has no memory left: try the smaller step, then report.
      }
    }
    return false;
  }
}

/** Idle instances, ready to be used again. */
export class ArenaPool {
  readonly #module: WasmModule;
  readonly #idle: Arena[] = [];

  constructor(module: WasmModule) {
    this.#module = module;
  }

  take(): Arena {
    return this.#idle.pop() ?? new Arena(this.#module);
  }

  giveBack(arena: Arena): void {
    arena.clear();
    if (arena.bytes.byteLength <= KEEP_BYTES && this.#idle.length < KEEP_INSTANCES) this.#idle.push(arena);
  }
}
