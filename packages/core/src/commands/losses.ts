/**
 * What a restore over damaged volumes has lost, path by path. Two things must not happen: that a delta is applied to another
 * version than the one it was made for, because that one lay in a lost volume; and that something is missing or old without being
 * named. The signature files tell both: what each file was, and what each set changed.
 */

import { loadRsync, type SignatureBuilder } from 'librsync-wasm';
import { END, formatTime, MORE, type Path, toText } from '../archive/index.js';
import { readRemote } from '../cache/index.js';
import { type Collection, type NamedFile, signaturesOf } from '../collection/index.js';
import {
  type ArchivedEntry,
  type ContentReader,
  type ContentSink,
  MergedSignatures,
  SIGNATURE,
  SignatureMatch,
} from '../delta/index.js';
import { errorOfEngine } from '../error-conversion.js';
import { RedupError } from '../errors.js';
import { comparePaths, isWithin } from '../tree/index.js';
import type { PathVersions } from '../volumes/index.js';
import { isDamage, mayBeTheKey } from './check/catalogue.js';
import { SignatureProof } from './check/signature-proof.js';
import type { LostVolume, ReadPlan } from './read-plan.js';
import type { Workspace } from './workspace.js';

/** Content of a path to a sink, proven where that is needed. */
export type CopyContent = (group: PathVersions, sink: ContentSink) => Promise<void>;

export class Losses {
  readonly #workspace: Workspace;
  readonly #plan: ReadPlan;
  readonly #files: readonly (NamedFile | undefined)[];
  readonly #signal: AbortSignal | undefined;
  /** Grows while the restore goes on. */
  readonly #lost: readonly LostVolume[];
  readonly #proofs = new Map<number, SignatureProof>();
  #builder: SignatureBuilder | undefined;

  constructor(
    workspace: Workspace,
    remote: Collection,
    plan: ReadPlan,
    lost: readonly LostVolume[],
    signal: AbortSignal | undefined,
  ) {
    this.#workspace = workspace;
    this.#plan = plan;
    this.#files = plan.sets.map(({ set }) => signaturesOf(set.span, remote));
    this.#lost = lost;
    this.#signal = signal;
  }

  /**
   * The content of a path, which has to match its signature where a version that a delta belongs to may be lost.
   * @throws RedupError ARCHIVE_INVALID when it doesn't, or when nothing can tell
   */
  async copy(group: PathVersions, sink: ContentSink, content: ContentReader): Promise<void> {
    const proof = await this.#proofFor(group);
    if (proof === undefined) return content.copy(group, sink);
    const write = (piece: Uint8Array) => {
      sink.write(piece);
      proof.write(piece);
    };
    await content.copy(group, { write });
    if (!proof.finish()) throw basisLost(group.path);
  }

  async #proofFor({ path, versions }: PathVersions): Promise<SignatureMatch | undefined> {
    const first = versions[0].set;
    const last = versions.at(-1)?.set ?? first;
    const isDoubtful = this.#lost.some(({ set, info }) => first < set && set < last && mayHold(info, path));
    if (!isDoubtful) return undefined;
    const described = await this.#proof(last)?.take(path);
    if (described?.signature === undefined) throw basisLost(path);
    this.#builder ??= loadRsync().createSignature({ ...SIGNATURE, blockLength: 512 });
    return new SignatureMatch(this.#builder, described.signature);
  }

  /** Tells everything whose newest version lay in a lost volume. @returns how many entries */
  async tell(wanted: Path): Promise<number> {
    if (this.#lost.length === 0) return 0;
    const files = this.#files.filter((file) => file !== undefined);
    if (files.length < this.#files.length) return this.#tellRanges();
    const merged = new MergedSignatures(
      files.map((file) => ({
        name: toText(file.name),
        bytes: readRemote(this.#workspace.syncContext(this.#signal), file),
      })),
    );
    let count = 0;
    try {
      for (let entry = merged.next(); entry !== END; entry = merged.next()) {
        if (entry === MORE) {
          await merged.fill();
          this.#signal?.throwIfAborted();
        } else if (isWithin(entry.path, wanted) && this.#tellEntry(entry)) count++;
      }
      return count;
    } catch (error) {
      const found = errorOfEngine(error);
      if (!isDamage(found) && !mayBeTheKey(found)) throw error;
      return count + this.#tellRanges();
    } finally {
      await merged.close();
    }
  }

  async close(): Promise<void> {
    for (const proof of this.#proofs.values()) await proof.close();
  }

  #tellEntry({ path, kind, source }: ArchivedEntry): boolean {
    const lost = this.#lost.find(({ set, info }) => set === source && mayHold(info, path));
    const set = this.#plan.sets[source]?.set;
    if (lost === undefined || set === undefined) return false;
    const what =
      kind === 'deleted' ? 'it was deleted then and may be back' : 'it is missing, or stands there as it was before';
    const message = `Not restored as of ${formatTime(set.span.time)}: ${toText(path) || '.'}: ${what}, because ${lost.name} cannot be read`;
    this.#workspace.warn('NOT_RESTORED', message, { path, object: lost.name });
    return true;
  }

  /** Without signatures nobody knows more than where volumes begin and end. */
  #tellRanges(): number {
    for (const { info, name } of this.#lost) {
      const from = toText(info.start.path) || '.';
      const message = `Without signatures the files of ${name} cannot be named: they lie between ${from} and ${toText(info.end.path).slice(0, 255) || '.'}`;
      this.#workspace.warn('SIGNATURES_UNUSABLE', message, { object: name });
    }
    return 0;
  }

  #proof(set: number): SignatureProof | undefined {
    const file = this.#files[set];
    if (file === undefined) return undefined;
    const known = this.#proofs.get(set);
    if (known !== undefined) return known;
    const ignore = () => {};
    const signalled = this.#signal === undefined ? {} : { signal: this.#signal };
    const proof = new SignatureProof(this.#workspace, file, { onDamage: ignore, onSurplus: ignore, ...signalled });
    this.#proofs.set(set, proof);
    return proof;
  }
}

function basisLost(path: Path): RedupError {
  const subject = toText(path);
  return new RedupError('ARCHIVE_INVALID', `${subject} has changes whose basis lies in a volume that cannot be read`, {
    subject,
    hint: 'An older time may hold the file whole.',
  });
}

function mayHold({ start, end }: LostVolume['info'], path: Path): boolean {
  return comparePaths(start.path, path) <= 0 && comparePaths(path, end.path) <= 0;
}
