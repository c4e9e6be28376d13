/**
 * Difftar blocks → volumes of a given size, sealed and stored (FORMAT.md §4, §7).
 * Before each block the caller looks at `isReady` and awaits `drain` when it is false: that is where volumes are cut,
 * and where compression and uploads push back.
 */

import { rmSync } from 'node:fs';
import { BLOCK, type Path, ROOT, type VolumeInfo, type VolumePosition } from '../archive/index.js';
import { decideCut } from './cut.js';
import type { SealedFile, SealedObject, Sealer } from './sealer.js';
import type { UploadQueue } from './upload-queue.js';

export interface VolumeWriterOptions {
  readonly sealer: Sealer;
  readonly uploads: UploadQueue;
  /** Bytes; volumes come out slightly smaller. */
  readonly volumeBytes: number;
  /** Add a SHA-256 beside the SHA-1 that duplicity knows, and the size. */
  readonly extensions: boolean;
  /** Number of the first volume to write; above 1 when an interrupted backup is resumed. */
  readonly firstVolume?: number;
  /** Where the file of a volume is built. */
  stagingPath(volume: number): string;
  /** Stores a finished volume. Begun in order; calls back when the next one may be begun. */
  store(info: VolumeInfo, file: SealedFile, makeRoom: () => void): Promise<void>;
  /** Called in order, once a volume is safely stored. */
  stored(info: VolumeInfo, file: SealedFile): void | Promise<void>;
}

interface OpenVolume {
  readonly number: number;
  readonly object: SealedObject;
  start: VolumePosition | undefined;
  end: VolumePosition | undefined;
}

const ZEROS = new Uint8Array(20_480);

export class VolumeWriter {
  readonly #options: VolumeWriterOptions;
  #number: number;
  #volume: OpenVolume | undefined;
  #lastPath: Path = ROOT;

  constructor(options: VolumeWriterOptions) {
    this.#options = options;
    this.#number = (options.firstVolume ?? 1) - 1;
  }

  /** Volumes begun so far. */
  get volumes(): number {
    return this.#number;
  }

  /** True when a block can be added at once. */
  get isReady(): boolean {
    const { sealer, uploads, volumeBytes } = this.#options;
    if (this.#volume === undefined || !uploads.hasRoom) return false;
    sealer.pump();
    return sealer.hasRoom && decideCut(this.#volume.object, volumeBytes) === 'go-on';
  }

  /** Does what keeps `isReady` from being true. */
  async drain(): Promise<void> {
    const { sealer, uploads, volumeBytes } = this.#options;
    for (;;) {
      if (!uploads.hasRoom) {
        // What waits to be uploaded may still be in the ring.
        await sealer.settle();
        await uploads.progress();
        continue;
      }
      if (this.#volume === undefined) this.#volume = await this.#open();
      // However small volumes are to be, each takes a block: cutting empty ones would never end.
      const isEmpty = this.#volume.start === undefined;
      const decision = isEmpty ? 'go-on' : decideCut(this.#volume.object, volumeBytes);
      if (decision === 'cut') {
        await this.#close(this.#volume);
        this.#volume = undefined;
      } else if (decision === 'wait' || !sealer.hasRoom) {
        await sealer.drain();
      } else {
        return;
      }
    }
  }

  /**
   * Adds a block: a header with its content, padded.
   * @param position of this block; `chunk` only if it is a non-final chunk of a multi-volume member
   */
  block(member: Uint8Array, position: VolumePosition): void {
    const volume = this.#volume;
    if (volume === undefined) throw new Error('block before drain');
    this.#options.sealer.write(member);
    volume.start ??= position;
    volume.end = position;
    this.#lastPath = position.path;
  }

  /** Ends the last volume; a set has at least one, be it empty. Resolves when all are stored. */
  async finish(): Promise<void> {
    if (this.#volume === undefined && this.#number === 0) this.#volume = await this.#open();
    if (this.#volume !== undefined) await this.#close(this.#volume);
    this.#volume = undefined;
    await this.#options.sealer.settle();
    await this.#options.uploads.settle();
  }

  async #open(): Promise<OpenVolume> {
    this.#number++;
    const object = await this.#options.sealer.begin(this.#options.stagingPath(this.#number));
    return { number: this.#number, object, start: undefined, end: undefined };
  }

  async #close(volume: OpenVolume): Promise<void> {
    const { sealer, extensions, uploads } = this.#options;
    // duplicity before 3.1 ends only encrypted volumes so; later releases and every tar reader expect it of all.
    sealer.write(ZEROS.subarray(0, footerBytes(volume.object.rawBytes)));
    const start = volume.start ?? { path: ROOT };
    const end = volume.end ?? { path: this.#lastPath };
    await sealer.end();
    const { number, object } = volume;
    const infoOf = (file: SealedFile): VolumeInfo => {
      const hashes = new Map([['SHA1', file.sha1]]);
      if (extensions) hashes.set('SHA256', file.sha256);
      return { number, start, end, hashes, ...(extensions ? { size: file.size } : {}) };
    };
    uploads.add(
      async (makeRoom) => {
        const file = await object.finished;
        await this.#options.store(infoOf(file), file, makeRoom);
      },
      async () => {
        const file = await object.finished;
        await this.#options.stored(infoOf(file), file);
        rmSync(file.path, { force: true });
      },
    );
  }
}

/** Zero bytes that end a volume: at least two blocks, filling a record of 10,240. */
export function footerBytes(rawBytes: number): number {
  const rest = 10_240 - (rawBytes % 10_240);
  return rest < 2 * BLOCK ? rest + 10_240 : rest;
}
