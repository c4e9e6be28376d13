/**
 * The engine's façade: a target with its archive directory, and one method a verb.
 *
 * ```ts
 * const repository = Repository.open('file:///backup/home');
 * await repository.backup({ source: '/home/me' });
 * await repository.restore({ target: '/tmp/yesterday', time: '1D' });
 * await repository.close();
 * ```
 */

import type { Readable } from 'node:stream';
import { type Storage, StorageError, StorageRegistry } from '@redup/storage';
import type { PathOf } from './archive/index.js';
import { ByteStream } from './byte-stream.js';
import {
  type BackupOptions,
  type BackupResult,
  backup,
  type ChangesOptions,
  type CheckOptions,
  type CheckResult,
  type CleanupOptions,
  type CleanupResult,
  type CollectionStatus,
  changes,
  check,
  cleanup,
  executePrune,
  type FileEntry,
  type FileHistoryOptions,
  type FileVersion,
  fileHistory,
  type ListOptions,
  list,
  type PlanPruneOptions,
  type PruneOptions,
  type PrunePlan,
  type PruneResult,
  planPrune,
  prune,
  type ReadOptions,
  type RestoreOptions,
  type RestoreResult,
  readFile,
  restore,
  type SetChange,
  type Snapshot,
  type SyncOptions,
  type SyncResult,
  snapshots,
  status,
  sync,
  type TarOptions,
  tar,
  type VerifyOptions,
  type VerifyResult,
  verify,
  Workspace,
} from './commands/index.js';
import { errorOfEngine } from './error-conversion.js';
import { Operation, type Telling } from './operation.js';
import type { RepositoryOptions } from './options.js';

/** What every call takes. */
export interface CallOptions {
  readonly signal?: AbortSignal;
}

/** A call that looks for the target, or makes it when it is missing. */
type Create = 'if-missing' | 'never';

/**
 * Methods give an {@link Operation}, which is both the promise of a typed result and an iterable of events, or an iterable or
 * stream of what was asked for. All fail with a `RedupError`, which has a stable `code`, the subject and a hint.
 */
export class Repository {
  /** As it was given: duplicity names the archive directory by its hash. */
  readonly url: string;
  readonly #options: RepositoryOptions;
  #storage: Promise<Storage> | undefined;
  #closed = false;

  private constructor(url: string, options: RepositoryOptions) {
    this.url = url;
    this.#options = options;
    if (options.storage !== undefined) this.#storage = Promise.resolve(options.storage);
  }

  /** Touches neither the target nor the disk yet. */
  static open(url: string, options: RepositoryOptions = {}): Repository {
    return new Repository(url, options);
  }

  /** Stores what has changed since the last backup, or everything. Makes the target if it is missing. */
  backup(options: BackupOptions): Operation<BackupResult> {
    return this.#run(options, (workspace) => backup(workspace, options), options.dryRun ? 'never' : 'if-missing');
  }

  /** Writes a time, or one path of it, to the local disk. */
  restore(options: RestoreOptions): Operation<RestoreResult> {
    return this.#run(options, (workspace) => restore(workspace, options));
  }

  /** Reads a time back, and compares it with a local tree when asked to. */
  verify(options: VerifyOptions): Operation<VerifyResult> {
    return this.#run(options, (workspace) => verify(workspace, options));
  }

  /** The times that can be restored, oldest first. */
  snapshots(options: CallOptions = {}): Operation<readonly Snapshot[]> {
    return this.#run(options, (workspace) => snapshots(workspace, options));
  }

  /** The entries of a time, in archive order. */
  async *files(options: ListOptions = {}): AsyncGenerator<FileEntry, void, undefined> {
    yield* this.#iterate(options.signal, (workspace) => list(workspace, options));
  }

  /** The content of one file. Reading fetches what it needs; `destroy` ends that. */
  open(path: PathOf, options: ReadOptions = {}): Readable {
    return this.#stream(options, (workspace, signal) => readFile(workspace, path, { ...options, signal }));
  }

  /** A time, or one path of it, as a tar. */
  toTar(options: TarOptions = {}): Readable {
    return this.#stream(options, (workspace, signal) => tar(workspace, { ...options, signal }));
  }

  /** The chains and sets in the target. */
  status(options: CallOptions = {}): Operation<CollectionStatus> {
    return this.#run(options, (workspace) => status(workspace, options));
  }

  /** What the sets of the last chain list of new, changed and deleted files. */
  async *changes(options: ChangesOptions = {}): AsyncGenerator<SetChange, void, undefined> {
    yield* this.#iterate(options.signal, (workspace) => changes(workspace, options));
  }

  /** When a file of the last chain was stored, changed or deleted; oldest first. */
  fileHistory(options: FileHistoryOptions): Operation<readonly FileVersion[]> {
    return this.#run(options, (workspace) => fileHistory(workspace, options));
  }

  /** Whether everything that the backups need is there and whole; what is not is a finding, told as an event as well. */
  check(options: CheckOptions = {}): Operation<CheckResult> {
    return this.#run(options, (workspace) => check(workspace, options));
  }

  /** What {@link prune} would remove: a value to look at, to show, and to hand over. */
  planPrune(options: PlanPruneOptions): Operation<PrunePlan> {
    return this.#run(options, (workspace) => planPrune(workspace, options));
  }

  /**
   * Removes what a plan names, if the target is still what the plan was made of; or old chains, or their incrementals,
   * by a rule (without `force` it only says what would go).
   */
  prune(what: PrunePlan | PruneOptions, options: CallOptions = {}): Operation<PruneResult> {
    if ('files' in what) return this.#run(options, (workspace) => executePrune(workspace, what, options));
    return this.#run(what, (workspace) => prune(workspace, what));
  }

  /** Removes what belongs to no complete backup; without `force` it only says what would go. */
  cleanup(options: CleanupOptions = {}): Operation<CleanupResult> {
    return this.#run(options, (workspace) => cleanup(workspace, options));
  }

  /** Fetches the metadata that the archive directory lacks, and drops what the target no longer has. */
  sync(options: SyncOptions = {}): Operation<SyncResult> {
    return this.#run(options, (workspace) => sync(workspace, options));
  }

  /** Closes the storage, also one that was handed in. */
  async close(): Promise<void> {
    this.#closed = true;
    const storage = await this.#storage?.catch(() => undefined);
    await storage?.close();
  }

  #run<T>(
    { signal }: CallOptions,
    command: (workspace: Workspace) => Promise<T>,
    create: Create = 'never',
  ): Operation<T> {
    return new Operation(async (telling) => {
      try {
        return await command(await this.#workspace(telling, create, signal));
      } catch (error) {
        throw errorOfEngine(error, signal);
      }
    }, signal);
  }

  async *#iterate<T>(
    signal: AbortSignal | undefined,
    command: (workspace: Workspace) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    try {
      yield* command(await this.#workspace({ emit: () => {}, pace: () => undefined }, 'never', signal));
    } catch (error) {
      throw errorOfEngine(error, signal);
    }
  }

  #stream({ signal }: CallOptions, command: (workspace: Workspace, signal: AbortSignal) => AsyncIterable<Uint8Array>) {
    return new ByteStream((aborted) => this.#iterate(aborted, (workspace) => command(workspace, aborted)), signal);
  }

  async #workspace({ emit, pace }: Telling, create: Create, signal: AbortSignal | undefined): Promise<Workspace> {
    const { onEvent } = this.#options;
    return new Workspace({
      url: this.url,
      storage: await this.#openStorage(create, signal),
      options: this.#options,
      emit: (event) => {
        onEvent?.(event);
        emit(event);
      },
      pace,
    });
  }

  #openStorage(create: Create, signal: AbortSignal | undefined): Promise<Storage> {
    if (this.#storage !== undefined) return this.#storage;
    if (this.#closed) throw new StorageError('closed', `${this.url} was closed`, { subject: '' });
    const storages = this.#options.storages ?? new StorageRegistry();
    const opening = storages.open(this.url, { create, ...(signal === undefined ? {} : { signal }) });
    this.#storage = opening;
    // What is missing now may be there for the next command, or be made by it.
    opening.catch(() => {
      this.#storage = undefined;
    });
    return opening;
  }
}
