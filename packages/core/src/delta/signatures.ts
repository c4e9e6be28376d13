/**
 * The state of the tree after a chain of sets: its signature files merged by path, the newest winning (FORMAT.md §5).
 * Streams, never whole: the signatures of one entry are in memory only if its content changed.
 */

import {
  END,
  type FileFacts,
  factsFromHeader,
  MORE,
  type Path,
  parseSignatureMember,
  type SignatureKind,
  type SignatureMember,
  type TarHeader,
  TarStream,
} from '../archive/index.js';
import { RedupError, reasonOf } from '../errors.js';
import { comparePaths } from '../tree/index.js';

export interface ArchivedEntry {
  readonly path: Path;
  readonly kind: SignatureKind;
  readonly header: TarHeader;
  readonly facts: FileFacts | undefined;
  /** Which of the merged files it is of, from 0. */
  readonly source: number;
}

/** One signature file, oldest first in what `MergedSignatures` gets. */
export interface SignatureFile {
  /** For messages. */
  readonly name: string;
  readonly bytes: AsyncIterable<Uint8Array>;
}

class Source {
  readonly name: string;
  readonly #index: number;
  readonly stream: TarStream;
  current: ArchivedEntry | typeof MORE | typeof END = MORE;
  #last: Path | undefined;

  constructor(file: SignatureFile, index: number) {
    this.name = file.name;
    this.#index = index;
    this.stream = new TarStream(file.bytes);
  }

  advance(): void {
    const next = this.#next();
    if (next === MORE || next === END) {
      this.current = next;
      return;
    }
    const { kind, path, header } = next;
    // The merge rests on the order; a file that breaks it would make entries seem deleted.
    if (this.#last !== undefined && comparePaths(path, this.#last) <= 0) {
      throw new RedupError(
        'SIGNATURE_DAMAGED',
        `The signature file ${this.name} is not in order at ${JSON.stringify(path)}`,
        {
          subject: this.name,
          hint: 'Make a full backup; earlier times can still be restored.',
        },
      );
    }
    this.#last = path;
    this.current = { path, kind, header, facts: factsFromHeader(header), source: this.#index };
  }

  #next(): (SignatureMember & { readonly header: TarHeader }) | typeof MORE | typeof END {
    try {
      const header = this.stream.next();
      // Every writer ends signatures with zero blocks. What was cut off would be taken for files never stored.
      if (header === END && !this.stream.terminated) throw new Error('it ends too early');
      if (header === MORE || header === END) return header;
      return { ...parseSignatureMember(header.name), header };
    } catch (error) {
      return this.fail(error);
    }
  }

  async fill(): Promise<void> {
    await this.stream.fill().catch((error: unknown) => this.fail(error));
  }

  fail(error: unknown): never {
    throw new RedupError('SIGNATURE_DAMAGED', `The signature file ${this.name} is damaged: ${reasonOf(error)}`, {
      subject: this.name,
      hint: 'Delete the copy in the archive directory if there is one: it is fetched again. If the stored one is damaged, make a full backup.',
      cause: error,
    });
  }
}

export class MergedSignatures {
  readonly #sources: readonly Source[];
  #winner: Source | undefined;

  /** @param files of one chain, oldest first */
  constructor(files: readonly SignatureFile[]) {
    this.#sources = files.map((file, index) => new Source(file, index));
  }

  /**
   * The next path's newest entry (which may be a deletion), `MORE` when `fill` must be awaited, `END` after the last.
   * @throws RedupError SIGNATURE_DAMAGED, ARCHIVE_INVALID
   */
  next(): ArchivedEntry | typeof MORE | typeof END {
    if (this.#winner !== undefined) {
      this.#winner.advance();
      this.#winner = undefined;
    }
    let starving = false;
    // Every source is asked before `MORE` is returned: `fill` must not feed one that has bytes left.
    for (const source of this.#sources) {
      if (source.current === MORE) source.advance();
      starving ||= source.current === MORE;
    }
    if (starving) return MORE;
    let least: ArchivedEntry | undefined;
    let winner: Source | undefined;
    for (const source of this.#sources) {
      const current = source.current;
      if (current === MORE || current === END) continue;
      const order = least === undefined ? -1 : comparePaths(current.path, least.path);
      if (order > 0) continue;
      // A newer source with the same path replaces the older one, which steps on.
      if (order === 0) winner?.advance();
      least = current;
      winner = source;
    }
    // An overtaken source may now wait for bytes; it is asked again on the next call.
    this.#winner = winner;
    return least ?? END;
  }

  /** @throws RedupError SIGNATURE_DAMAGED when a file cannot be decrypted, inflated or read */
  async fill(): Promise<void> {
    for (const source of this.#sources) if (source.current === MORE) await source.fill();
  }

  /** The signature of the entry that `next` just gave, whole. */
  async readSignature(): Promise<Buffer> {
    if (this.#winner === undefined) throw new RedupError('INTERNAL', 'No archived entry is current');
    const winner = this.#winner;
    return winner.stream.collect().catch((error: unknown) => winner.fail(error));
  }

  async close(): Promise<void> {
    for (const source of this.#sources) await source.stream.close();
  }
}
