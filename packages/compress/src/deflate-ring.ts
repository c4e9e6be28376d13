/**
 * A ring of chunks between one synchronous writer and a worker thread per core.
 *
 * The bytes that come out depend on the bytes that went in, on where `flush` was called, on the
 * level and on `chunkBytes`, never on the number of workers or on timing. Every chunk is deflated
 * on its own; 32 KiB preset dictionaries are not worth their cost from 256 KiB chunks up.
 *
 * The ring is also the memory bound of a pipeline: `write` takes less than it was given when the
 * ring is full, and the caller first takes outputs.
 */
/// <reference lib="es2024.sharedmemory" />
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { deflateSlot } from './deflate-slot.js';
import { CompressError } from './errors.js';
import {
  ADLER32,
  CLOSED,
  CRC32,
  DONE,
  INPUT_LENGTH,
  IS_LAST,
  OUTPUT_LENGTH,
  QUEUED,
  RingMemory,
  type RingSettings,
  STATE,
  WAITING,
  type WorkerStart,
} from './ring-memory.js';

export interface DeflateRingOptions {
  /** Worker threads; default one per core. 0 deflates inside `write` and `flush`. */
  readonly workers?: number;
  /** 0 stores, 1 is fast, 2 and 3 (the default) search better, 4 to 9 are zlib's: 6 takes twice the time of 3 for 4 % less. */
  readonly level?: number;
  /** Bytes of a full chunk; default 262,144. */
  readonly chunkBytes?: number;
  /** Chunks that may be pending; default 16. Memory is about 2 × slots × chunkBytes. */
  readonly slots?: number;
  /** Also compute each chunk's CRC-32 (for gzip). */
  readonly crc32?: boolean;
  /** Also compute each chunk's Adler-32 (for zlib streams). */
  readonly adler32?: boolean;
}

export interface DeflatedChunk {
  /** Deflate blocks; a view into the ring, valid until the next `take()` or `close()`. */
  readonly output: Uint8Array;
  readonly inputBytes: number;
  /** True for the chunk that ends its deflate stream. */
  readonly final: boolean;
  /** Counts the chunks of this ring from 0. */
  readonly index: number;
  /** Checksums of the chunk's input; present when asked for. */
  readonly crc32?: number;
  readonly adler32?: number;
}

/** Less than this is deflated where it is, when nothing else is under way: handing it over takes longer. */
const INLINE_BYTES = 16_384;
const WORKER_MODULE = '@redup/compress/deflate-worker';

export class DeflateRing {
  readonly #settings: RingSettings;
  readonly #memory: RingMemory;
  readonly #shared: SharedArrayBuffer;
  readonly #workerCount: number;
  #workers: Worker[] | undefined;
  /** Chunks submitted and chunks taken so far: chunk n lives in slot n modulo the physical slots. */
  #submitted = 0;
  #taken = 0;
  #jobs = 0;
  #openBytes = 0;
  #failure: CompressError | undefined;
  #closing: Promise<void> | undefined;
  readonly #waiting = new Set<(error: Error) => void>();

  /** Makes a ring. Threads start with the first chunk that is worth one. */
  static create(options: DeflateRingOptions = {}): DeflateRing {
    return new DeflateRing(options);
  }

  private constructor(options: DeflateRingOptions) {
    const slots = integerIn('slots', options.slots ?? 16, 1, 4096);
    this.#settings = {
      chunkBytes: integerIn('chunkBytes', options.chunkBytes ?? 262_144, 1, 1 << 26),
      slots: slots + 1,
      level: integerIn('level', options.level ?? 3, 0, 9),
      crc32: options.crc32 ?? false,
      adler32: options.adler32 ?? false,
    };
    this.#workerCount = integerIn('workers', options.workers ?? availableParallelism(), 0, 1024);
    this.#shared = RingMemory.allocate(this.#settings);
    this.#memory = new RingMemory(this.#shared, this.#settings);
  }

  /** Chunks that were submitted and not yet taken. */
  get pending(): number {
    return this.#submitted - this.#taken;
  }

  /**
   * Copies as much of `bytes` as fits, submitting each chunk that becomes full, and returns how
   * much that was. Less than `bytes.length` means the ring is full: take, or await `ready()`.
   */
  write(bytes: Uint8Array): number {
    this.#check();
    let position = 0;
    while (position < bytes.length && this.#hasFreeSlot()) {
      const count = Math.min(bytes.length - position, this.#settings.chunkBytes - this.#openBytes);
      this.#memory
        .input(this.#slotOf(this.#submitted))
        .set(bytes.subarray(position, position + count), this.#openBytes);
      this.#openBytes += count;
      position += count;
      if (this.#openBytes === this.#settings.chunkBytes) this.#submit(false);
    }
    return position;
  }

  /**
   * Submits the open chunk now. `final` ends the deflate stream with it (an empty stream is valid),
   * and the next `write` starts a new stream. Returns false when the ring is full: take, then call again.
   */
  flush(final: boolean): boolean {
    this.#check();
    if (this.#openBytes === 0 && !final) return true;
    if (!this.#hasFreeSlot()) return false;
    this.#submit(final);
    return true;
  }

  /** The next chunk in order, if it is finished. Its `output` is a view that the next `take()` invalidates. */
  take(): DeflatedChunk | undefined {
    this.#check();
    if (!this.#isNextDone()) return undefined;
    const index = this.#taken++;
    const slot = this.#slotOf(index);
    const { words } = this.#memory;
    const word = (name: number): number => words[this.#memory.slotWord(slot, name)] as number;
    return {
      output: this.#memory.output(slot).subarray(0, word(OUTPUT_LENGTH)),
      inputBytes: word(INPUT_LENGTH),
      final: word(IS_LAST) === 1,
      index,
      ...(this.#settings.crc32 ? { crc32: word(CRC32) >>> 0 } : {}),
      ...(this.#settings.adler32 ? { adler32: word(ADLER32) >>> 0 } : {}),
    };
  }

  /** Resolves when `take()` would give something, or at once when nothing is pending. */
  async ready(): Promise<void> {
    this.#check();
    while (this.pending > 0 && !this.#isNextDone()) {
      const stateWord = this.#memory.slotWord(this.#slotOf(this.#taken), STATE);
      const change = Atomics.waitAsync(this.#memory.words, stateWord, WAITING);
      if (change.async) await this.#settled(change.value);
      this.#check();
    }
  }

  /** Ends the workers. May be called any number of times; what was not taken is lost. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #end(): Promise<void> {
    Atomics.store(this.#memory.words, CLOSED, 1);
    Atomics.notify(this.#memory.words, QUEUED);
    this.#rejectWaiting(closedError());
    await Promise.all((this.#workers ?? []).map((worker) => worker.terminate()));
  }

  #submit(isLast: boolean): void {
    const { words } = this.#memory;
    const slot = this.#slotOf(this.#submitted++);
    words[this.#memory.slotWord(slot, INPUT_LENGTH)] = this.#openBytes;
    words[this.#memory.slotWord(slot, IS_LAST)] = isLast ? 1 : 0;
    Atomics.store(words, this.#memory.slotWord(slot, STATE), WAITING);
    const isInline = this.#workerCount === 0 || (this.#openBytes < INLINE_BYTES && this.pending === 1);
    this.#openBytes = 0;
    if (isInline) {
      deflateSlot(this.#memory, slot, this.#settings);
      return;
    }
    this.#workers ??= this.#startWorkers();
    Atomics.store(words, this.#memory.jobWord(this.#jobs), slot);
    this.#jobs += 1;
    Atomics.store(words, QUEUED, this.#jobs);
    Atomics.notify(words, QUEUED);
  }

  #startWorkers(): Worker[] {
    const file = workerFile();
    const workerData: WorkerStart = { memory: this.#shared, settings: this.#settings };
    return Array.from({ length: this.#workerCount }, () => {
      // Loaders of the parent (test runners, --import hooks) have no business in a worker.
      const worker = new Worker(file, { workerData, execArgv: [] });
      // A worker waits for ever; it must not keep a program alive that is done.
      worker.unref();
      worker.on('error', (cause) => this.#fail(cause));
      worker.on('exit', (exitCode) => this.#fail(new Error(`exit code ${exitCode}`)));
      return worker;
    });
  }

  /** Waits for a change in the shared memory; an idle event loop would end the program under it. */
  async #settled(change: Promise<unknown>): Promise<void> {
    if (this.#waiting.size === 0) for (const worker of this.#workers ?? []) worker.ref();
    let reject: (error: Error) => void = () => undefined;
    try {
      await new Promise<void>((resolve, rejectWait) => {
        reject = rejectWait;
        this.#waiting.add(reject);
        change.then(() => resolve(), rejectWait);
      });
    } finally {
      this.#waiting.delete(reject);
      if (this.#waiting.size === 0) for (const worker of this.#workers ?? []) worker.unref();
    }
  }

  #fail(cause: unknown): void {
    if (this.#closing !== undefined || this.#failure !== undefined) return;
    this.#failure = new CompressError('worker-failed', 'A compressing worker thread stopped unexpectedly', {
      cause,
    });
    this.#rejectWaiting(this.#failure);
  }

  #rejectWaiting(error: Error): void {
    for (const reject of this.#waiting) reject(error);
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw closedError();
  }

  #hasFreeSlot(): boolean {
    return this.pending < this.#settings.slots - 1;
  }

  #isNextDone(): boolean {
    if (this.pending === 0) return false;
    return Atomics.load(this.#memory.words, this.#memory.slotWord(this.#slotOf(this.#taken), STATE)) === DONE;
  }

  #slotOf(chunk: number): number {
    return chunk % this.#settings.slots;
  }
}

/** Beside this module, in a bundle too. Tests run the sources, which a worker thread can't load: they take the built one. */
function workerFile(): string {
  const beside = fileURLToPath(new URL('./deflate-worker.js', import.meta.url));
  return existsSync(beside) ? beside : createRequire(import.meta.url).resolve(WORKER_MODULE);
}

function closedError(): CompressError {
  return new CompressError('closed', 'The compressor is closed');
}

function integerIn(name: string, value: number, least: number, most: number): number {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${name} must be an integer from ${least} to ${most}, not ${value}`);
  }
  return value;
}
