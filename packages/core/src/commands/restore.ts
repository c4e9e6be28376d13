/** `restore`: a time, whole or one path of it → the local disk. */

import { lstatSync, readdirSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import {
  type ArchiveTime,
  asPath,
  diskPath,
  END,
  fromText,
  MORE,
  type Moment,
  type Path,
  type PathOf,
  ROOT,
  type TarHeader,
  toText,
} from '../archive/index.js';
import type { Collection } from '../collection/index.js';
import { ContentReader } from '../delta/index.js';
import { errnoOf, localError, RedupError, reasonOf } from '../errors.js';
import { ProgressReporter } from '../events.js';
import { makeFolders } from '../make-folders.js';
import { isWithin, relativeTo, type Selection, TreeWriter, trimSlashes } from '../tree/index.js';
import type { PathVersions } from '../volumes/index.js';
import { type CopyContent, Losses } from './losses.js';
import { checkVolumes, openPlan, planReading, type ReadPlan, recallVolumes, requireVolumes } from './read-plan.js';
import type { Workspace } from './workspace.js';

export interface RestoreOptions {
  /** Where to: a directory that is empty or does not exist yet, or the name of a file when one file is restored. */
  readonly target: string;
  /** State at that time; default the latest. */
  readonly time?: Moment;
  /** Only this path (relative to the source) and what is below it; it becomes the target itself. */
  readonly path?: PathOf;
  /** Restore into a directory that is not empty, replacing what has the same name and leaving everything else. */
  readonly force?: boolean;
  /** Give files their archived owners (the default; needs root for foreign ones), or leave them the current user's. */
  readonly ownership?: 'restore' | 'skip';
  /** Go on over damaged and missing volumes, restoring everything else. */
  readonly ignoreErrors?: boolean;
  /** Sub-paths to restore elsewhere in the target; the longest that fits an entry counts. */
  readonly renames?: readonly (readonly [from: string, to: string])[];
  /** Which entries to restore, by paths as the archive has them (`compileSelection` without a root); not with `path`. */
  readonly select?: Selection;
  /** Only say which volumes are needed. */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
}

export interface RestoreResult {
  /** Of the last set that was read. */
  readonly time: ArchiveTime;
  /** Entries written, of every type. */
  readonly files: number;
  readonly bytes: number;
  readonly volumes: number;
  /** Entries that are not as they were stored: above 0, not everything asked for was restored. */
  readonly problems: number;
  /** Of a dry run: the volumes that would be read, in order. */
  readonly needed?: readonly string[];
}

/** @throws RedupError NO_BACKUP, PATH_NOT_FOUND, TARGET_NOT_EMPTY, VOLUME_MISSING, VOLUME_HASH, …; StorageError; OpenPgpError */
export async function restore(workspace: Workspace, options: RestoreOptions): Promise<RestoreResult> {
  try {
    checkTarget(options);
    const path = wantedPath(options.path);
    const remote = await workspace.remoteCollection(options.signal);
    const plan = await planReading(workspace, remote, {
      time: workspace.timeOf(options.time),
      path,
      withoutManifests: options.ignoreErrors ?? false,
      ...signalOf(options),
    });
    if (!options.ignoreErrors) requireVolumes(plan);
    if (options.dryRun) return describe(plan);
    return await new RestoreRun(workspace, options, { remote, plan, wanted: path }).execute();
  } finally {
    workspace.dispose();
  }
}

/** A path as users type it → a path of the archive. */
export function wantedPath(wanted: PathOf | undefined): Path {
  if (typeof wanted === 'object') return wanted.path;
  const parts = fromText(wanted ?? '')
    .split('/')
    .filter((part) => part !== '' && part !== '.');
  if (parts.includes('..')) {
    throw new RedupError('BAD_OPTION', `${wanted} leads out of the backup`, {
      hint: 'Name the path relative to the source, without "..".',
    });
  }
  return asPath(parts.join('/'));
}

function signalOf({ signal }: { readonly signal?: AbortSignal }): { signal: AbortSignal } | Record<string, never> {
  return signal === undefined ? {} : { signal };
}

/** Before anything is fetched: whether the target may be written to. */
function checkTarget({ target, force }: RestoreOptions): void {
  const stats = lstatSync(diskPath(target), { throwIfNoEntry: false });
  if (stats === undefined || force) return;
  let empty = false;
  try {
    empty = readdirSync(diskPath(target)).length === 0;
  } catch {
    // Not a directory: it is in the way just as much.
  }
  if (empty) return;
  throw new RedupError(
    'TARGET_NOT_EMPTY',
    `${target} exists and is ${stats.isDirectory() ? 'not empty' : 'not a directory'}`,
    {
      subject: target,
      hint: 'Restore into a new folder. With --force files of the same name are replaced, and everything else there stays.',
    },
  );
}

function describe(plan: ReadPlan): RestoreResult {
  const volumes = plan.sets.flatMap((set) => set.volumes);
  const bytes = volumes.reduce((sum, { file }) => sum + Math.max(0, file?.size ?? 0), 0);
  const needed = volumes.map(({ name }) => name);
  return { time: plan.time, files: 0, bytes, volumes: needed.length, problems: 0, needed };
}

class RestoreRun {
  readonly #workspace: Workspace;
  readonly #options: RestoreOptions;
  readonly #remote: Collection;
  readonly #plan: ReadPlan;
  readonly #wanted: Path;
  readonly #renames: readonly { readonly from: Path; readonly to: Path }[];
  readonly #progress: ProgressReporter;
  #writer: TreeWriter | undefined;
  /** Folders looked through for what is selected below them, outermost first; and the last one left out. */
  readonly #pending: PathVersions[] = [];
  #excluded: Path | undefined;
  /** For a single file or link: its own name below the target's parent. */
  #rootName: Path = ROOT;
  #files = 0;
  #bytes = 0;
  #problems = 0;
  #found = false;
  #foreignOwners = 0;

  constructor(
    workspace: Workspace,
    options: RestoreOptions,
    what: { readonly remote: Collection; readonly plan: ReadPlan; readonly wanted: Path },
  ) {
    this.#workspace = workspace;
    this.#options = options;
    this.#remote = what.remote;
    this.#plan = what.plan;
    this.#wanted = what.wanted;
    this.#progress = new ProgressReporter(workspace.emit);
    const renames = (options.renames ?? []).map(([from, to]) => ({ from: wantedPath(from), to: wantedPath(to) }));
    this.#renames = renames.sort((a, b) => b.from.length - a.from.length);
  }

  async execute(): Promise<RestoreResult> {
    const { ignoreErrors = false, signal } = this.#options;
    await recallVolumes(this.#workspace, this.#plan, signal);
    const checked = ignoreErrors ? undefined : await checkVolumes(this.#workspace, this.#plan, signal);
    const { merged, counts } = openPlan(this.#workspace, this.#plan, {
      onDamage: ignoreErrors ? 'skip' : 'stop',
      ...(checked === undefined ? {} : { checked }),
      ...signalOf(this.#options),
    });
    const content = new ContentReader(() => this.#workspace.temporaryFolder(), signal);
    const losses = new Losses(this.#workspace, this.#remote, this.#plan, counts.lost, signal);
    const copy: CopyContent = (group, sink) => losses.copy(group, sink, content);
    this.#workspace.phase('restore');
    try {
      for (let group = merged.next(); group !== END; group = merged.next()) {
        if (group === MORE) {
          await merged.fill();
          await this.#workspace.pace();
          continue;
        }
        signal?.throwIfAborted();
        if (!isWithin(group.path, this.#wanted)) continue;
        for (const wanted of this.#selected(group)) await this.#restoreEntry(wanted, copy);
        this.#progress.update(this.#files, this.#bytes, counts.bytes, group.path);
      }
    } finally {
      this.#writer?.close();
      content.close();
      await merged.close();
      await losses.close();
    }
    this.#problems += await losses.tell(this.#wanted);
    if (!this.#found) throw this.#nothing();
    if (this.#foreignOwners > 0) {
      const message = `The owners of ${this.#foreignOwners} entries could not be set (only root may); their modes and times were restored`;
      this.#workspace.warn('OWNERSHIP', message);
      this.#problems += this.#foreignOwners;
    }
    return {
      time: this.#plan.time,
      files: this.#files,
      bytes: this.#bytes,
      volumes: counts.volumes,
      problems: this.#problems + counts.damaged,
    };
  }

  /** The entry if it is wanted, behind the folders above it that were only looked through until now. */
  #selected(group: PathVersions): readonly PathVersions[] {
    const { select } = this.#options;
    if (select === undefined || group.path === ROOT) return [group];
    if (this.#excluded !== undefined && isWithin(group.path, this.#excluded)) return [];
    const { header, kind } = (group.versions.at(-1) ?? group.versions[0]).entry;
    if (kind === 'deleted') return [];
    while (this.#pending.length > 0 && !isWithin(group.path, this.#pending.at(-1)?.path ?? ROOT)) this.#pending.pop();
    const { type, mtime } = header;
    const verdict = select({ path: group.path, type, mtime, device: 0 });
    if (verdict === 'include') return [...this.#pending.splice(0), group];
    if (verdict === 'exclude') this.#excluded = group.path;
    else if (type === 'directory') this.#pending.push(group);
    return [];
  }

  async #restoreEntry(group: PathVersions, copy: CopyContent): Promise<void> {
    const last = group.versions.at(-1) ?? group.versions[0];
    const { header, kind } = last.entry;
    if (kind === 'deleted') return;
    this.#found ||= group.path !== ROOT || this.#options.select === undefined;
    const path = this.#placeOf(relativeTo(group.path, this.#wanted));
    try {
      this.#writer ??= this.#openTarget(header, path === ROOT && header.type !== 'directory');
      if (path !== ROOT && this.#rootName !== ROOT) throw belowFile(group.path);
      await this.#write(this.#writer, asPath(path === ROOT ? this.#rootName : path), header, group, copy);
      this.#files++;
      this.#workspace.emit({ type: 'restored', path: group.path, kind: header.type });
    } catch (error) {
      if (!isAboutOneEntry(error)) throw isSystemError(error) ? localError('restore', path, error) : error;
      this.#problems++;
      const message = `Not restored: ${toText(group.path) || '.'}: ${reasonOf(error)}`;
      this.#workspace.warn('NOT_RESTORED', message, { path: group.path });
    }
  }

  async #write(
    writer: TreeWriter,
    path: Path,
    header: TarHeader,
    group: PathVersions,
    copy: CopyContent,
  ): Promise<void> {
    switch (header.type) {
      case 'directory':
        writer.directory(path, header);
        return;
      case 'symlink':
        writer.symlink(path, header);
        return;
      case 'file': {
        const file = writer.file(path, header);
        try {
          await copy(group, file);
          file.commit();
        } catch (error) {
          file.abandon();
          throw error;
        }
        this.#bytes += file.bytes;
        return;
      }
      default:
        writer.special(path, header);
    }
  }

  /**
   * A single file or link that is asked for is the target itself; everything else is restored into the target, also when
   * the entry of its root is missing.
   */
  #openTarget(first: TarHeader, isSingle: boolean): TreeWriter {
    const { target, force = false, ownership = 'restore' } = this.#options;
    const place = resolve(target);
    const existing = lstatSync(diskPath(place), { throwIfNoEntry: false });
    if (isSingle && existing?.isDirectory() === true) {
      throw new RedupError('TARGET_NOT_EMPTY', `${target} is a directory, but a single ${first.type} is restored`, {
        subject: target,
        hint: `Name the file to write, such as ${resolve(target, basename(toText(this.#wanted)))}. The directory was left as it is.`,
      });
    }
    const root = isSingle ? dirname(place) : place;
    if (isSingle) this.#rootName = asPath(fromText(basename(place)));
    try {
      makeFolders(root);
      return new TreeWriter({
        root: trimSlashes(fromText(root)),
        replace: force,
        owners: this.#workspace.owners(),
        ownership,
        onAttribute: (path, what, error) => this.#attributeFailed(path, what, error),
      });
    } catch (error) {
      throw new RedupError('TARGET_UNWRITABLE', `Cannot restore to ${target}: ${reasonOf(error)}`, {
        subject: target,
        hint: 'Choose a folder that you may write to.',
        cause: error,
      });
    }
  }

  #attributeFailed(path: Path, what: 'owner' | 'mode' | 'time', error: unknown): void {
    if (what === 'owner') {
      this.#foreignOwners++;
      return;
    }
    this.#problems++;
    const message = `The ${what} of ${toText(path) || '.'} could not be set: ${reasonOf(error)}`;
    this.#workspace.warn('ATTRIBUTES', message, { path });
  }

  #placeOf(path: Path): Path {
    const rename = this.#renames.find(({ from }) => from !== '' && isWithin(path, from));
    if (rename === undefined) return path;
    const rest = path.slice(rename.from.length);
    return asPath(rename.to === '' ? rest.slice(1) : rename.to + rest);
  }

  #nothing(): RedupError {
    if (this.#wanted === '') {
      return new RedupError('NO_BACKUP', 'No files found in archive - nothing restored.', {
        hint:
          this.#options.select === undefined
            ? 'Another time may hold something: see collection-status.'
            : 'Nothing in it is selected: compare the patterns with what list-current-files prints.',
      });
    }
    const subject = toText(this.#wanted);
    return new RedupError('PATH_NOT_FOUND', `${subject} is not in the backup of that time`, {
      subject,
      hint: '`redup list-current-files` (with --time) shows the paths; they are relative to the source.',
    });
  }
}

/** No honest archive has it, and its place would be beside the target. */
function belowFile(path: Path): RedupError {
  const subject = toText(path);
  return new RedupError('ARCHIVE_INVALID', `${subject} lies below something that is no directory`, { subject });
}

const DISK_FULL_OR_BROKEN: readonly string[] = ['ENOSPC', 'EDQUOT', 'EIO', 'EROFS'];

/** Whether an error leaves the rest of the restore unaffected. A full disk or a damaged volume does not. */
function isAboutOneEntry(error: unknown): boolean {
  if (error instanceof RedupError) return error.code === 'ARCHIVE_INVALID' && error.subject !== undefined;
  return isSystemError(error) && !DISK_FULL_OR_BROKEN.includes(errnoOf(error) ?? '');
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
