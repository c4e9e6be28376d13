/**
 * The content of one path out of its versions: the whole one streamed, deltas applied one after another.
 * Intermediate results are in memory while small and in a temporary file when large.
 */

import { type Basis, PatchDecoder, RsyncError } from 'librsync-wasm';
import { END, MORE, type Path, toText } from '../archive/index.js';
import { RedupError } from '../errors.js';
import type { PathVersions, SetReader, Version } from '../volumes/index.js';
import { type ContentSink, Scratch } from './scratch.js';

/** Content whose size is known, because all of it has been seen. */
export interface Spooled {
  readonly size: number;
  pieces(): Generator<Buffer, void, undefined>;
}

export class ContentReader {
  /** Basis and result take turns. */
  readonly #signal: AbortSignal | undefined;
  readonly #scratches: readonly [Scratch, Scratch];

  constructor(temporaryFolder: () => string, signal?: AbortSignal) {
    this.#signal = signal;
    this.#scratches = [new Scratch(temporaryFolder), new Scratch(temporaryFolder)];
  }

  /**
   * Writes the content as of the last version to `sink`.
   * @throws RedupError ARCHIVE_INVALID when a chunk is missing or a delta does not fit its basis
   */
  async copy(group: PathVersions, sink: ContentSink): Promise<void> {
    const { version, basis } = await this.#allButLast(group);
    await this.step(version, basis, sink);
  }

  /** The content as whoever takes it wants it, in pieces of their own. Otherwise as `copy`. */
  async *read(group: PathVersions): AsyncGenerator<Buffer, void, undefined> {
    const { version, basis } = await this.#allButLast(group);
    for (const piece of piecesOf(version, basis)) {
      if (piece === MORE) await this.#fill(version.reader);
      else if (piece.length > 0) yield Buffer.from(piece);
    }
  }

  /** The content kept until the next call, for who must know its size first: small in memory, else in a temporary file. */
  async spool(group: PathVersions): Promise<Spooled> {
    const { version, basis } = await this.#allButLast(group);
    const result = this.scratch(group.versions.length - 1);
    await this.step(version, basis, result);
    return result;
  }

  /**
   * One version's content from the one before it.
   * @param basis of a delta
   * @throws RedupError ARCHIVE_INVALID
   */
  async step(version: Version, basis: Basis | undefined, sink: ContentSink): Promise<void> {
    for (const piece of piecesOf(version, basis)) {
      if (piece === MORE) await this.#fill(version.reader);
      else sink.write(piece);
    }
  }

  /** Two of them take turns as basis and result. */
  scratch(index: number): Scratch {
    const scratch = this.#scratches[index % 2 === 0 ? 0 : 1];
    scratch.clear();
    return scratch;
  }

  close(): void {
    for (const scratch of this.#scratches) scratch.close();
  }

  /** What the last version applies to, which itself can be streamed. */
  async #allButLast({ path, versions }: PathVersions): Promise<{ version: Version; basis: Basis | undefined }> {
    const [first, ...deltas] = versions;
    if (!isWholeFile(first)) throw withoutBasis(path);
    let version = first;
    let basis: Scratch | undefined;
    for (const [index, delta] of deltas.entries()) {
      const result = this.scratch(index);
      await this.step(version, basis, result);
      basis = result;
      version = delta;
    }
    return { version, basis };
  }

  async #fill(reader: SetReader): Promise<void> {
    await reader.fill();
    this.#signal?.throwIfAborted();
  }
}

/** What a version holds, or makes of its basis; `MORE` when its reader must be filled. Pieces are valid until the next. */
function* piecesOf(
  { reader, entry }: Version,
  basis: Basis | undefined,
): Generator<Uint8Array | typeof MORE, void, undefined> {
  if (entry.kind !== 'diff') {
    for (let piece = reader.data(); piece !== END; piece = reader.data()) yield piece;
    return;
  }
  if (basis === undefined) throw withoutBasis(entry.path);
  const patch = new PatchDecoder(basis);
  try {
    for (let piece = reader.data(); piece !== END; piece = reader.data()) {
      if (piece === MORE) yield MORE;
      else yield* patch.update(piece);
    }
    patch.finish();
  } catch (error) {
    // A full disk or an interruption is no fault of the archive.
    if (!(error instanceof RsyncError)) throw error;
    const subject = toText(entry.path);
    throw new RedupError(
      'ARCHIVE_INVALID',
      `The changes stored for ${subject} do not fit its last version: ${error.message}`,
      {
        subject,
        hint: 'An older time may hold the file whole.',
        cause: error,
      },
    );
  }
}

/** Whether a version needs no earlier one. */
export function isWholeFile({ entry: { kind, header } }: Version): boolean {
  return kind === 'snapshot' && header.type === 'file';
}

function withoutBasis(path: Path): RedupError {
  const subject = toText(path);
  const message = `${subject} has changes in the archive, but no version that they apply to`;
  return new RedupError('ARCHIVE_INVALID', message, { subject, hint: 'An older time may hold the file whole.' });
}
