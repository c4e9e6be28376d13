/**
 * The engine's façade: a target with its archive directory, and one method a verb.
 *
 * ```ts
 * const repository = Repository.open({ storage: await FileStorage.open('/backup/home', { create: 'if-missing' }), url: 'file:///backup/home' });
 * await repository.backup({ source: '/home/me' });
 * await repository.restore({ target: '/tmp/yesterday', time: parseTime('1D', context) });
 * ```
 */

import {
  type BackupOptions,
  type BackupResult,
  backup,
  type CleanupOptions,
  type CleanupResult,
  type CollectionStatus,
  cleanup,
  type FileEntry,
  type ListOptions,
  list,
  type PruneOptions,
  type PruneResult,
  prune,
  type RestoreOptions,
  type RestoreResult,
  restore,
  status,
  type VerifyOptions,
  type VerifyResult,
  verify,
  Workspace,
} from './commands/index.js';
import { errorOfEngine } from './error-conversion.js';
import type { RepositoryOptions } from './options.js';

/** All methods reject with a `RedupError`, which has a stable `code`, the subject and a hint. */
export class Repository {
  readonly #options: RepositoryOptions;

  private constructor(options: RepositoryOptions) {
    this.#options = options;
  }

  /** Touches neither the target nor the disk yet. */
  static open(options: RepositoryOptions): Repository {
    return new Repository(options);
  }

  /** Stores what has changed since the last backup, or everything. */
  backup(options: BackupOptions): Promise<BackupResult> {
    return this.#run((workspace) => backup(workspace, options));
  }

  /** Writes a time, or one path of it, to the local disk. */
  restore(options: RestoreOptions): Promise<RestoreResult> {
    return this.#run((workspace) => restore(workspace, options));
  }

  /** Reads a time back, and compares it with a local tree when asked to. */
  verify(options: VerifyOptions): Promise<VerifyResult> {
    return this.#run((workspace) => verify(workspace, options));
  }

  /** The entries of a time, in archive order. */
  async *files(options: ListOptions = {}): AsyncGenerator<FileEntry, void, undefined> {
    try {
      yield* list(new Workspace(this.#options), options);
    } catch (error) {
      throw errorOfEngine(error);
    }
  }

  /** The chains and sets in the target. */
  status(options: { readonly signal?: AbortSignal } = {}): Promise<CollectionStatus> {
    return this.#run((workspace) => status(workspace, options));
  }

  /** Removes old chains, or their incrementals; without `force` it only says what would go. */
  prune(options: PruneOptions): Promise<PruneResult> {
    return this.#run((workspace) => prune(workspace, options));
  }

  /** Removes what belongs to no complete backup; without `force` it only says what would go. */
  cleanup(options: CleanupOptions = {}): Promise<CleanupResult> {
    return this.#run((workspace) => cleanup(workspace, options));
  }

  close(): Promise<void> {
    return this.#options.storage.close();
  }

  async #run<T>(command: (workspace: Workspace) => Promise<T>): Promise<T> {
    try {
      return await command(new Workspace(this.#options));
    } catch (error) {
      throw errorOfEngine(error);
    }
  }
}
