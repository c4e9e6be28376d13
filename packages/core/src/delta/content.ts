/**
 * The content of one path out of its versions: the whole one streamed, deltas applied one after another.
 * Intermediate results are in memory while small and in a temporary file when large.
 */

import { type Basis, PatchDecoder, RsyncError } from 'librsync-wasm';
import { END, MORE, type Path, toText } from '../archive/index.js';
import { RedupError } from '../errors.js';
import type { PathVersions, SetReader, Version } from '../volumes/index.js';
import { type ContentSink, Scratch } from './scratch.js';

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
  async copy({ path, versions }: PathVersions, sink: ContentSink): Promise<void> {
    const [first, ...deltas] = versions;
    if (!isWholeFile(first)) throw withoutBasis(path);
    let basis: Scratch | undefined;
    for (const [index, version] of [first, ...deltas].entries()) {
      const result = index === deltas.length ? undefined : this.scratch(index);
      await this.step(version, basis, result ?? sink);
      basis = result;
    }
  }

  /**
   * One version's content from the one before it.
   * @param basis of a delta
   * @throws RedupError ARCHIVE_INVALID
   */
  async step(version: Version, basis: Basis | undefined, sink: ContentSink): Promise<void> {
    if (version.entry.kind !== 'diff') return this.#stream(version, sink);
    if (basis === undefined) throw withoutBasis(version.entry.path);
    return this.#patch(version, basis, sink);
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

  async #fill(reader: SetReader): Promise<void> {
    await reader.fill();
    this.#signal?.throwIfAborted();
  }

  async #stream({ reader }: Version, sink: ContentSink): Promise<void> {
    for (let piece = reader.data(); piece !== END; piece = reader.data()) {
      if (piece === MORE) await this.#fill(reader);
      else sink.write(piece);
    }
  }

  async #patch({ reader, entry }: Version, basis: Basis, sink: ContentSink): Promise<void> {
    const patch = new PatchDecoder(basis);
    try {
      for (let piece = reader.data(); piece !== END; piece = reader.data()) {
        if (piece === MORE) await this.#fill(reader);
        else for (const output of patch.update(piece)) sink.write(output);
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
