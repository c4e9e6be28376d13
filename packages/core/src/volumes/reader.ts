/**
 * The volumes of one set, in order, as one stream of logical entries: chunks of a multi-volume member are joined,
 * and a chunk that is missing is noticed and named (duplicity skips it silently).
 */

import {
  CHUNK_BYTES,
  type DiffKind,
  END,
  MORE,
  type Path,
  parseDiffMember,
  type TarHeader,
  TarStream,
  toText,
} from '../archive/index.js';
import { RedupError } from '../errors.js';

export interface SetEntry {
  readonly kind: DiffKind;
  readonly path: Path;
  /** Metadata; its size is that of the first chunk. */
  readonly header: TarHeader;
  /** False when the beginning of this entry lies in a volume that was not read. */
  readonly fromStart: boolean;
}

/** Opens one volume; its hash has been checked when the promise resolves. */
export interface VolumeSource {
  /** For messages. */
  readonly name: string;
  open(): Promise<{ readonly bytes: AsyncIterable<Uint8Array>; release(): Promise<void> }>;
}

export interface SetReaderOptions {
  readonly volumes: readonly VolumeSource[];
  /** Start fetching the next volume while one is read. */
  readonly fetchAhead: boolean;
  /** A volume that cannot be used: return to go on without it, throw to stop. */
  onDamage(volume: string, error: unknown): void;
  /** Every member as it is met, whether or not its content is asked for. */
  onMember?(member: ReadMember): void;
}

/** One member of one volume. */
export interface ReadMember {
  /** Which of the volumes, from 0. */
  readonly volume: number;
  readonly kind: DiffKind;
  readonly path: Path;
  readonly chunk: number | undefined;
  /** Bytes of content. */
  readonly size: number;
}

interface FoundMember {
  readonly entry: SetEntry;
  readonly chunk: number | undefined;
}

type Opened = Awaited<ReturnType<VolumeSource['open']>>;
type Outcome = { readonly opened: Opened } | { readonly error: unknown };

export class SetReader {
  readonly #options: SetReaderOptions;
  #at = -1;
  #ahead: Promise<Outcome> | undefined;
  #opened: Opened | undefined;
  #stream: TarStream | undefined;
  #entry: SetEntry | undefined;
  #chunk: number | undefined;
  /** A chunk shorter than 64 KiB is the last one of its entry. */
  #lastChunkBytes = 0;
  /** The member after the current entry, when looking for a further chunk found it. */
  #peeked: FoundMember | undefined;
  #complete = true;
  /** The volume broke off inside the current entry. */
  #broken = false;
  #volumeEnded = false;
  /** What is wrong with the bytes at hand; `fill` deals with it. */
  #failure: unknown;

  constructor(options: SetReaderOptions) {
    this.#options = options;
  }

  /** The next entry; what is left of the current one is dropped. `MORE`: await `fill` and ask again. */
  next(): SetEntry | typeof MORE | typeof END {
    if (this.#entry !== undefined) {
      const skipped = this.#skipEntry();
      if (skipped !== END) return MORE;
      this.#entry = undefined;
    }
    const found = this.#peeked ?? this.#member();
    if (found === MORE || found === END) return found;
    this.#peeked = undefined;
    this.#start(found);
    return found.entry;
  }

  /**
   * A piece of the current entry's content, valid until the next call; `END` when it is complete.
   * @throws RedupError ARCHIVE_INVALID when a chunk is missing
   */
  data(): Uint8Array | typeof MORE | typeof END {
    if (this.#complete) return END;
    if (this.#entry?.fromStart === false) throw this.#missingChunk('its beginning');
    if (this.#broken) throw this.#missingChunk('what follows in a damaged volume');
    for (;;) {
      const piece = this.#stream?.data() ?? END;
      if (piece === MORE) return MORE;
      if (piece !== END) return piece;
      const more = this.#nextChunk();
      if (more === MORE) return MORE;
      if (more === END) {
        this.#complete = true;
        return END;
      }
    }
  }

  async fill(): Promise<void> {
    if (this.#stream === undefined) return this.#openNext();
    try {
      if (this.#failure !== undefined) throw this.#failure;
      if (!this.#volumeEnded) return await this.#stream.fill();
      // Checks at the end of the stored bytes (MDC, checksum) still have to be made.
      await this.#stream.drain();
    } catch (error) {
      this.#broken = !this.#complete && !this.#volumeEnded;
      await this.#closeVolume();
      const volume = this.#name(this.#at);
      this.#options.onDamage(volume, named(error, volume));
    }
    await this.#openNext();
  }

  async close(): Promise<void> {
    await this.#closeVolume();
    const ahead = await this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined && 'opened' in ahead) await ahead.opened.release();
    this.#at = this.#options.volumes.length;
  }

  #start({ entry, chunk }: FoundMember): void {
    this.#entry = entry;
    this.#chunk = chunk;
    this.#broken = false;
    this.#lastChunkBytes = entry.header.size;
    this.#complete = entry.header.type !== 'file' || entry.kind === 'deleted';
  }

  #skipEntry(): typeof MORE | typeof END {
    while (!this.#complete) {
      const piece = this.#stream?.data() ?? END;
      if (piece === MORE) return MORE;
      if (piece !== END) continue;
      const more = this.#nextChunk('skip');
      if (more === MORE) return MORE;
      if (more === END) this.#complete = true;
    }
    return END;
  }

  /** True: the current entry goes on with a further chunk. */
  #nextChunk(mode: 'read' | 'skip' = 'read'): true | typeof MORE | typeof END {
    if (this.#chunk === undefined) return END;
    const found = this.#peeked ?? this.#member();
    if (found === MORE) return MORE;
    const current = this.#entry;
    if (found === END || !continuesEntry(found, current)) {
      if (found !== END) this.#peeked = found;
      // The content that follows belongs to the entry found: skipping must not eat it.
      this.#complete = true;
      // By the format, a chunk of full size is never the last.
      if (mode === 'read' && this.#lastChunkBytes === CHUNK_BYTES) throw this.#missingChunk(`chunk ${this.#chunk + 1}`);
      return END;
    }
    this.#peeked = undefined;
    const expected = this.#chunk + 1;
    this.#chunk = found.chunk;
    this.#lastChunkBytes = found.entry.header.size;
    if (mode === 'read' && found.chunk !== expected) throw this.#missingChunk(`chunk ${expected}`);
    return true;
  }

  #missingChunk(what: string): RedupError {
    const subject = toText(this.#entry?.path ?? '');
    return new RedupError('ARCHIVE_INVALID', `${subject} is incomplete in the archive: ${what} is missing`, {
      subject,
      hint: 'An older time may hold the file whole.',
    });
  }

  #member(): FoundMember | typeof MORE | typeof END {
    if (this.#stream === undefined) return this.#at < this.#options.volumes.length ? MORE : END;
    if (this.#failure !== undefined) return MORE;
    try {
      const header = this.#volumeEnded ? END : this.#stream.next();
      if (header === END) this.#volumeEnded = true;
      if (header === MORE || header === END) return MORE; // `fill` reads on, or steps to the next volume
      const { kind, path, chunk } = parseDiffMember(header.name);
      this.#options.onMember?.({ volume: this.#at, kind, path, chunk, size: header.size });
      return { entry: { kind, path, header, fromStart: chunk === undefined || chunk === 1 }, chunk };
    } catch (error) {
      this.#failure = error;
      return MORE;
    }
  }

  async #openNext(): Promise<void> {
    await this.#closeVolume();
    for (;;) {
      const volume = this.#options.volumes[++this.#at];
      if (volume === undefined) return;
      const outcome = await (this.#ahead ?? attempt(volume));
      const following = this.#options.volumes[this.#at + 1];
      this.#ahead = this.#options.fetchAhead && following !== undefined ? attempt(following) : undefined;
      if ('opened' in outcome) {
        this.#opened = outcome.opened;
        this.#stream = new TarStream(outcome.opened.bytes);
        return;
      }
      this.#options.onDamage(volume.name, outcome.error);
    }
  }

  async #closeVolume(): Promise<void> {
    await this.#stream?.close();
    await this.#opened?.release();
    this.#stream = undefined;
    this.#opened = undefined;
    this.#volumeEnded = false;
    this.#failure = undefined;
  }

  #name(at: number): string {
    return this.#options.volumes[at]?.name ?? '';
  }
}

/** The tar codec knows no files: what it finds wrong is wrong with the volume. */
function named(error: unknown, volume: string): unknown {
  if (!(error instanceof RedupError) || error.code !== 'ARCHIVE_INVALID') return error;
  return new RedupError('VOLUME_DAMAGED', `Volume ${volume} is damaged: ${error.message}`, {
    subject: volume,
    hint: 'Fetch another copy of this file if you have one. --ignore-errors restores what other volumes hold; an older time may be whole.',
    cause: error,
  });
}

function continuesEntry(found: FoundMember, current: SetEntry | undefined): boolean {
  if (found.chunk === undefined || found.chunk === 1) return false;
  return found.entry.path === current?.path && found.entry.kind === current.kind;
}

function attempt(volume: VolumeSource): Promise<Outcome> {
  return volume.open().then(
    (opened) => ({ opened }),
    (error: unknown) => ({ error }),
  );
}
