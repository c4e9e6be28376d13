/** `backup`, `full` and `incremental`: a tree → a new set in the target. */

import { setImmediate } from 'node:timers/promises';
import { loadRsync, type Rsync, type Signature } from 'librsync-wasm';
import { type ArchiveTime, MORE, type Path, toText } from '../archive/index.js';
import { dropStaleCopies } from '../cache/index.js';
import {
  type Change,
  ChangeStore,
  findChanges,
  MergedSignatures,
  type StoredFile,
  type UnopenedFile,
} from '../delta/index.js';
import { ProgressReporter } from '../events.js';
import { type OwnerMap, type TreeEntry, UNKNOWN_SIZE } from '../tree/index.js';
import { UploadQueue, VolumeWriter } from '../volumes/index.js';
import { type Locks, withLocks } from './locks.js';
import { planSet, type SetPlan } from './plan-set.js';
import { isDone } from './resume.js';
import { CannotResume, RunningSet } from './running-set.js';
import { openSource, type Source, type SourceOptions } from './source.js';
import {
  type BackupStatistics,
  countChanged,
  countDeleted,
  countNew,
  countUnchanged,
  emptyStatistics,
} from './statistics.js';
import { describeStatistics, type StoredStatistics } from './stored-statistics.js';
import type { Workspace } from './workspace.js';

export interface BackupOptions extends SourceOptions {
  /** `auto` (the default): incremental if there is a chain to continue, else full. */
  readonly type?: 'auto' | 'full' | 'incremental';
  /** Seconds; when the last full backup is older, a full one is made. */
  readonly fullIfOlderThan?: number;
  /** Bytes a volume shall have at most; default 200 MiB. */
  readonly volumeBytes?: number;
  /** Upper bound of signature blocks in bytes, default 2048: larger ones make smaller signatures and larger deltas. */
  readonly maxBlockBytes?: number;
  readonly allowSourceMismatch?: boolean;
  /** Uploads at the same time; default 1, beside the backup's own work. */
  readonly concurrency?: number;
  /** List the changed files in the manifest; default true. */
  readonly listFiles?: boolean;
  /** Store the figures in a JSON file beside the backup, as duplicity's `--jsonstat`. */
  readonly storeStatistics?: boolean;
  /** Store nothing when an incremental backup finds no change. */
  readonly skipIfNoChange?: boolean;
  /** Begin anew though the target is empty while local copies of its metadata exist. */
  readonly force?: boolean;
  /** Look at everything, store nothing. */
  readonly dryRun?: boolean;
}

export interface BackupResult {
  readonly type: 'full' | 'incremental';
  readonly time: ArchiveTime;
  /** The full backup of this chain. */
  readonly fullTime: ArchiveTime;
  readonly volumes: number;
  readonly statistics: BackupStatistics;
  /** With `storeStatistics`: what is stored of them, or would be. */
  readonly storedStatistics?: StoredStatistics;
  /** False when nothing was stored: a dry run, or no change and `skipIfNoChange`. */
  readonly stored: boolean;
}

const DEFAULT_VOLUME_BYTES = 200 * 2 ** 20;
const DEFAULT_BLOCK_BYTES = 2048;
/** How long the event loop (uploads, signals, timers) may have to wait for a turn. */
const PAUSE_EVERY_MS = 40;

/**
 * Makes a set. When it rejects, what was stored before is untouched and what is half done belongs to no set.
 * @throws RedupError, StorageError, OpenPgpError
 */
export async function backup(workspace: Workspace, options: BackupOptions): Promise<BackupResult> {
  let source = openSource(workspace, options);
  const { dryRun, signal } = options;
  const scope = dryRun ? 'here' : 'target';
  try {
    return await withLocks(workspace, { scope, ...(signal === undefined ? {} : { signal }) }, async (locks) => {
      try {
        return await makeSet(workspace, options, source, locks);
      } catch (error) {
        // What a caller delivers can be gone through once; he runs again by himself.
        if (!(error instanceof CannotResume) || typeof options.source !== 'string') throw error;
        workspace.warn('RESUMED', `${error.message}; a new one is made beside it`);
        source.close();
        source = openSource(workspace, options);
        return await makeSet(workspace, options, source, locks);
      }
    });
  } finally {
    source.close();
    workspace.dispose();
  }
}

async function makeSet(
  workspace: Workspace,
  options: BackupOptions,
  source: Source,
  locks: Locks,
): Promise<BackupResult> {
  const remote = await workspace.remoteCollection(options.signal);
  const onDrop = (place: string) => workspace.emit({ type: 'metadata', action: 'drop', name: place });
  dropStaleCopies(workspace.directory, remote, { force: options.force ?? false, onDrop });
  const plan = await planSet(workspace, remote, {
    type: options.type ?? 'auto',
    allowSourceMismatch: options.allowSourceMismatch ?? false,
    sourceDirectory: source.name,
    root: source.root,
    dryRun: options.dryRun ?? false,
    ...(options.fullIfOlderThan === undefined ? {} : { fullIfOlderThan: options.fullIfOlderThan }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  workspace.phase('scan');
  return new BackupRun(workspace, options, plan, source, locks).execute();
}

function pathOf(change: Change): Path {
  if (change.kind === 'deleted') return change.path;
  return change.kind === 'unreadable' ? change.item.path : change.entry.path;
}

class BackupRun {
  readonly #workspace: Workspace;
  readonly #options: BackupOptions;
  readonly #plan: SetPlan;
  readonly #source: Source;
  readonly #locks: Locks;
  readonly #owners: OwnerMap;
  readonly #rsync: Rsync = loadRsync();
  readonly #archived: MergedSignatures;
  readonly #statistics: BackupStatistics;
  readonly #progress: ProgressReporter;
  #lastPause = performance.now();
  #steps = 0;

  constructor(workspace: Workspace, options: BackupOptions, plan: SetPlan, source: Source, locks: Locks) {
    this.#workspace = workspace;
    this.#options = options;
    this.#plan = plan;
    this.#source = source;
    this.#locks = locks;
    this.#owners = workspace.owners();
    this.#archived = new MergedSignatures(plan.signatures);
    this.#statistics = emptyStatistics(workspace.clock.now());
    this.#progress = new ProgressReporter(workspace.emit);
  }

  async execute(): Promise<BackupResult> {
    const changes = findChanges(this.#source.items, this.#archived, this.#owners);
    try {
      return this.#options.dryRun ? await this.#look(changes) : await this.#store(changes);
    } finally {
      await this.#archived.close();
    }
  }

  async #look(changes: Iterable<Change | typeof MORE>): Promise<BackupResult> {
    await this.#each(changes, (change) => {
      if (change.kind === 'deleted') countDeleted(this.#statistics);
      else if (change.kind === 'unreadable') this.#problem(change.item.path, change.item.reason);
      // Without reading a suspect file nobody can tell; a dry run takes the likely answer.
      else if (change.kind === 'same' || change.kind === 'suspect') countUnchanged(this.#statistics, change.entry);
      else (change.kind === 'new' ? countNew : countChanged)(this.#statistics, change.entry, change.entry.statSize);
    });
    return this.#result(0, false);
  }

  async #store(changes: Iterable<Change | typeof MORE>): Promise<BackupResult> {
    const { listFiles = true, signal, concurrency = 1, volumeBytes = DEFAULT_VOLUME_BYTES } = this.#options;
    const { span, resume } = this.#plan;
    const header = { host: this.#workspace.hostName, sourceDirectory: this.#source.name };
    const set = new RunningSet(this.#workspace, this.#plan, header, signal);
    const signatures = set.openSignatures();
    const volumes = new VolumeWriter({
      sealer: set.sealer,
      uploads: new UploadQueue(concurrency),
      volumeBytes,
      firstVolume: 1 + (resume?.kept.length ?? 0),
      extensions: this.#workspace.extensions,
      stagingPath: (volume) => set.stagingPath(volume),
      store: async (info, file, makeRoom) => {
        this.#locks.verifyHere();
        await set.storeVolume(info, file, makeRoom);
      },
      stored: (info, file) => {
        set.volumeStored(info, file, this.#statistics.sourceFileSize);
      },
    });
    const store = new ChangeStore({
      root: this.#source.root ?? '',
      volumes,
      signatures,
      owners: this.#owners,
      rsync: this.#rsync,
      maxBlockBytes: this.#options.maxBlockBytes ?? DEFAULT_BLOCK_BYTES,
      followLinks: this.#options.followLinks ?? false,
      extensions: this.#workspace.extensions,
      ...(signal === undefined ? {} : { signal }),
    });
    try {
      await set.takeOver();
      await this.#each(changes, (change) => this.#apply(change, store, set));
      const unchanged = resume === undefined && this.#statistics.deltaEntries === 0 && volumes.volumes <= 1;
      if (this.#options.skipIfNoChange && span.type === 'inc' && unchanged) {
        set.discard();
        return this.#result(0, false);
      }
      this.#statistics.endTime = this.#workspace.clock.now();
      await volumes.finish();
      await this.#locks.verify();
      await set.complete({ listFiles, volumes: volumes.volumes });
      this.#statistics.totalDestinationSizeChange = set.storedBytes;
      const result = this.#result(volumes.volumes, true);
      if (result.storedStatistics !== undefined)
        await set.storeStatistics(JSON.stringify(result.storedStatistics, undefined, 4));
      return result;
    } finally {
      await set.close();
    }
  }

  /** Undefined when nothing has to be waited for. */
  #apply(change: Change, store: ChangeStore, set: RunningSet): Promise<void> | undefined {
    const { resume } = this.#plan;
    if (resume !== undefined && isDone(pathOf(change), resume.boundary)) {
      this.#countDone(change, set);
      return undefined;
    }
    switch (change.kind) {
      case 'same':
        return undefined;
      case 'unreadable':
        this.#problem(change.item.path, change.item.reason);
        return undefined;
      case 'deleted':
        return this.#whenReady(store, () => {
          store.storeDeletion(change.path);
          if (change.archived.kind === 'signature') set.listFile('deleted', change.path);
          countDeleted(this.#statistics);
        });
      case 'new':
        if (change.entry.type === 'file') return this.#storeFile(change.entry, undefined, store, set);
        return this.#whenReady(store, () => {
          store.storeSpecial(change.entry);
          countNew(this.#statistics, change.entry, change.entry.statSize);
        });
      default:
        return this.#storeChanged(change, store, set);
    }
  }

  #whenReady(store: ChangeStore, action: () => void): Promise<void> | undefined {
    if (!store.isReady) return store.drain().then(action);
    action();
    return undefined;
  }

  async #storeChanged(
    change: Extract<Change, { kind: 'changed' | 'suspect' }>,
    store: ChangeStore,
    set: RunningSet,
  ): Promise<void> {
    const bytes = await this.#archived.readSignature();
    if (change.kind === 'suspect' && store.matchesSignature(change.entry, bytes) === true) {
      countUnchanged(this.#statistics, change.entry);
      return;
    }
    let signature: Signature | undefined;
    try {
      signature = this.#rsync.loadSignature(bytes);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      const message = `The archived signature of ${toText(change.entry.path)} is damaged (${why}); the file is stored whole`;
      this.#workspace.warn('SIGNATURES_UNUSABLE', message, { path: change.entry.path });
    }
    try {
      await this.#storeFile(change.entry, signature, store, set);
    } finally {
      signature?.dispose();
    }
  }

  #storeFile(
    entry: TreeEntry,
    signature: Signature | undefined,
    store: ChangeStore,
    set: RunningSet,
  ): Promise<void> | undefined {
    const { boundary } = this.#plan.resume ?? {};
    const skipChunks = boundary?.path === entry.path ? (boundary.chunk ?? 0) : 0;
    const delta = signature === undefined ? undefined : this.#rsync.createDelta(signature);
    const action = signature === undefined ? 'new' : 'changed';
    const outcome = store.storeFile(entry, { skipChunks, ...(delta === undefined ? {} : { delta }) });
    if (outcome instanceof Promise) {
      return outcome.then((stored) => this.#fileStored(entry, action, stored, set)).finally(() => delta?.dispose());
    }
    delta?.dispose();
    this.#fileStored(entry, action, outcome, set);
    return undefined;
  }

  #fileStored(entry: TreeEntry, action: 'new' | 'changed', outcome: StoredFile | UnopenedFile, set: RunningSet): void {
    if ('unopened' in outcome) {
      this.#problem(entry.path, outcome.unopened);
      return;
    }
    if (outcome.problem !== undefined) {
      this.#statistics.errors++;
      const message = `${toText(entry.path)} may not be stored as it is: ${outcome.problem}. The next backup stores it again`;
      this.#workspace.warn('CHANGED_WHILE_READ', message, { path: entry.path });
    }
    const stated = entry.size === UNKNOWN_SIZE ? { ...entry, statSize: outcome.sourceBytes } : entry;
    (action === 'new' ? countNew : countChanged)(this.#statistics, stated, outcome.sourceBytes);
    this.#statistics.rawDeltaSize += outcome.storedBytes;
    set.listFile(action, entry.path);
  }

  /**
   * Goes through all changes: waits for signatures where they are due, and lets the rest of the program have its turn.
   * What is unchanged, the most of most backups, costs no promise.
   */
  async #each(
    changes: Iterable<Change | typeof MORE>,
    apply: (change: Change) => Promise<void> | undefined,
  ): Promise<void> {
    for (const change of changes) {
      if (change === MORE) {
        await this.#archived.fill();
        await this.#source.fill();
        continue;
      }
      if (change.kind === 'same') countUnchanged(this.#statistics, change.entry);
      else {
        const applied = apply(change);
        if (applied !== undefined) await applied;
      }
      this.#report(change);
      if ((++this.#steps & 63) !== 0) continue;
      if (performance.now() - this.#lastPause < PAUSE_EVERY_MS) continue;
      await setImmediate();
      await this.#workspace.pace();
      this.#lastPause = performance.now();
      this.#options.signal?.throwIfAborted();
    }
  }

  /** What the interrupted run stored already: counted as it was then, neither read nor stored again. */
  #countDone(change: Change, set: RunningSet): void {
    if (change.kind === 'deleted') {
      if (change.archived.kind === 'signature') set.listFile('deleted', change.path);
      countDeleted(this.#statistics);
    } else if (change.kind === 'new' || change.kind === 'changed') {
      if (change.entry.type === 'file') set.listFile(change.kind, change.entry.path);
      (change.kind === 'new' ? countNew : countChanged)(this.#statistics, change.entry, change.entry.statSize);
    } else if (change.kind !== 'unreadable') {
      countUnchanged(this.#statistics, change.entry);
    }
  }

  #report(change: Change): void {
    const { sourceFiles, sourceFileSize } = this.#statistics;
    if (change.kind === 'unreadable') return;
    const path = pathOf(change);
    this.#progress.update(sourceFiles, sourceFileSize, 0, path);
    if (change.kind === 'same' || change.kind === 'suspect') return;
    this.#workspace.emit({ type: 'file', change: change.kind, path });
  }

  #problem(path: Path, reason: string): void {
    this.#statistics.errors++;
    const message = `Cannot read ${toText(path) || toText(this.#source.name)}: ${reason}. What was stored of it before stays restorable`;
    this.#workspace.warn('UNREADABLE', message, { path });
  }

  #result(volumes: number, stored: boolean): BackupResult {
    if (!stored) this.#statistics.endTime = this.#workspace.clock.now();
    const { span, fullTime, before } = this.#plan;
    const { source, concurrency = 0, dryRun = false, storeStatistics = false } = this.#options;
    const type = span.type === 'full' ? 'full' : 'incremental';
    const statistics = this.#statistics;
    const named = typeof source === 'string' ? source : (this.#options.sourceName ?? '.');
    const context = { action: span.type, skipped: !stored && !dryRun, fullTime, concurrency, source: named, before };
    const storedStatistics = storeStatistics
      ? { storedStatistics: describeStatistics(this.#workspace, statistics, context) }
      : {};
    return { type, time: span.time, fullTime, volumes, statistics, ...storedStatistics, stored };
  }
}
