/** The signature file of one set, entry by entry beside what its volumes hold. */

import { END, MORE, type Path, toText } from '../../archive/index.js';
import { readRemote } from '../../cache/index.js';
import type { NamedFile } from '../../collection/index.js';
import { type ArchivedEntry, MergedSignatures } from '../../delta/index.js';
import { errorOfEngine } from '../../error-conversion.js';
import type { RedupError } from '../../errors.js';
import { comparePaths } from '../../tree/index.js';
import type { Workspace } from '../workspace.js';
import { isDamage, type KnownSet, mayBeTheKey, timesFrom } from './catalogue.js';
import type { NewFinding } from './findings.js';

export function signaturesDamaged(
  file: NamedFile,
  error: RedupError,
  { set, chain }: Pick<KnownSet, 'set' | 'chain'>,
): NewFinding {
  const object = toText(file.name);
  const isForeign = error.code === 'SIGNER';
  return {
    code: isForeign ? 'SIGNER' : 'SIGNATURES_DAMAGED',
    message: `The signature file ${object} is damaged: ${error.message}`,
    object,
    affects: 'lists-and-increments',
    times: timesFrom(set, chain),
    ...(isForeign ? {} : { repair: { what: 'signatures', set, trustCopy: true } }),
    hint: isForeign
      ? 'Somebody else may have put it there. Make a full backup rather than continue this chain.'
      : 'Run check --repair: signatures are made again from the volumes.',
  };
}

export interface SignatureProofOptions {
  /** The file can't be used any further. */
  onDamage(error: RedupError): void;
  /** An entry that the volumes don't have. */
  onSurplus(path: Path): void;
  readonly signal?: AbortSignal;
}

/** One entry, its signature (if it has one) not read yet. */
export interface ProvenEntry {
  readonly kind: ArchivedEntry['kind'];
  readonly signature: Buffer | undefined;
}

export class SignatureProof {
  readonly #entries: MergedSignatures;
  readonly #options: SignatureProofOptions;
  #current: ArchivedEntry | typeof END | undefined;
  #usable = true;

  constructor(workspace: Workspace, file: NamedFile, options: SignatureProofOptions) {
    const bytes = readRemote(workspace.syncContext(options.signal), file);
    this.#entries = new MergedSignatures([{ name: toText(file.name), bytes }]);
    this.#options = options;
  }

  /** False once damage was found. */
  get isUsable(): boolean {
    return this.#usable;
  }

  /** The entry of a path, which must come after those asked for before; undefined when there is none. */
  async take(path: Path): Promise<ProvenEntry | undefined> {
    for (;;) {
      const current = await this.#peek();
      if (current === END) return undefined;
      const order = comparePaths(current.path, path);
      if (order > 0) return undefined;
      this.#current = undefined;
      if (order < 0) {
        this.#options.onSurplus(current.path);
        continue;
      }
      const signature =
        current.kind === 'signature' ? await this.#guarded(() => this.#entries.readSignature()) : undefined;
      return { kind: current.kind, signature };
    }
  }

  /** Reads to the end, where the checks of the whole file are. */
  async finish(): Promise<void> {
    for (let entry = await this.#peek(); entry !== END; entry = await this.#peek()) {
      this.#options.onSurplus(entry.path);
      this.#current = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#entries.close();
  }

  async #peek(): Promise<ArchivedEntry | typeof END> {
    if (!this.#usable) return END;
    if (this.#current === undefined) this.#current = (await this.#guarded(() => this.#next())) ?? END;
    return this.#current;
  }

  async #next(): Promise<ArchivedEntry | typeof END> {
    for (let entry = this.#entries.next(); ; entry = this.#entries.next()) {
      if (entry !== MORE) return entry;
      await this.#entries.fill();
      this.#options.signal?.throwIfAborted();
    }
  }

  async #guarded<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      const found = errorOfEngine(error);
      if (!isDamage(found) && !mayBeTheKey(found)) throw error;
      this.#usable = false;
      this.#options.onDamage(found);
      return undefined;
    }
  }
}
