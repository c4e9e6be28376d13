/**
 * What reading a time needs: which sets, their manifests, and the volumes that can hold the path asked for.
 * A plan is a plain value; everything that can be known to be missing is known before anything is written.
 */

import { join } from 'node:path';
import { type ArchiveTime, type Manifest, type Path, toText, type VolumeInfo } from '../archive/index.js';
import { type BackupSet, type Collection, chainAt, setsAt, startTimeOf, volumesFor } from '../collection/index.js';
import { RedupError } from '../errors.js';
import {
  checkInPlace,
  type FetchedObject,
  fetchVolume,
  isCheckable,
  MergedSets,
  type ReadMember,
  SetReader,
  type VolumeSource,
  volumeMissing,
  volumeSize,
} from '../volumes/index.js';
import {
  leftOut,
  manifestOf,
  type PlannedVolume,
  plannedVolume,
  storedVolumes,
  warnOfLost,
  withLostManifests,
  withoutManifest,
} from './manifests.js';
import { synchronize } from './synchronize.js';
import type { Workspace } from './workspace.js';

export interface ReadPlan {
  /** Time of the last set read. */
  readonly time: ArchiveTime;
  readonly sets: readonly {
    readonly set: BackupSet;
    readonly manifest: Manifest;
    readonly volumes: readonly PlannedVolume[];
  }[];
  /** Manifests that leave out volumes which are stored: cut off, most likely. */
  readonly damagedManifests: readonly RedupError[];
}

export interface ReadPlanOptions {
  readonly time: ArchiveTime | undefined;
  readonly path: Path;
  /** Where a manifest is lost or damaged, go by the volumes that are stored; by default that is an error. */
  readonly withoutManifests?: boolean;
  readonly signal?: AbortSignal;
}

/** @throws RedupError NO_BACKUP, MANIFEST_INVALID */
export async function planReading(
  workspace: Workspace,
  listed: Collection,
  options: ReadPlanOptions,
): Promise<ReadPlan> {
  const time = options.time ?? workspace.now();
  const completed = withLostManifests(workspace, listed);
  const remote = options.withoutManifests ? completed : listed;
  const chain = chainAt(remote.chains, time);
  if (chain === undefined) {
    const hint =
      completed.chains.length > 0
        ? 'All but its manifest is there. check --repair makes it again; --ignore-errors restores without it.'
        : remote.incompleteSets.length > 0
          ? 'Only unfinished backups are there, without a manifest.'
          : 'Check the URL and --file-prefix; `redup collection-status` shows what is found there.';
    throw new RedupError('NO_BACKUP', `There is no backup in ${workspace.storage.url}`, {
      subject: workspace.storage.url,
      hint,
    });
  }
  if (options.time !== undefined && time < startTimeOf(chain)) {
    workspace.warn('TIME_BEFORE_FIRST', 'The time lies before the first backup; the first one is used');
  }
  workspace.phase('metadata');
  const wanted = setsAt(chain, time);
  await synchronize(
    workspace,
    remote,
    // One that cannot be copied is no obstacle where it can be done without.
    options.withoutManifests ? [] : wanted.flatMap(({ manifest }) => manifest ?? []),
    options.signal,
  );
  const sets = [];
  const damagedManifests = [];
  if (!options.withoutManifests) warnOfLost(workspace, completed, chain, time);
  for (const set of wanted) {
    const manifest = await manifestOf(workspace, set, options);
    if (manifest === undefined) {
      damagedManifests.push(withoutManifest(set));
      sets.push({ set, manifest: { volumes: new Map() }, volumes: storedVolumes(set) });
      continue;
    }
    const named = volumesFor(manifest, options.path).map((info) => plannedVolume(set, info));
    const damage = leftOut(set, manifest, toText(set.manifest?.name ?? ''));
    if (damage !== undefined) damagedManifests.push(damage);
    const unnamed =
      damage === undefined || !options.withoutManifests
        ? []
        : storedVolumes(set).filter(({ info }) => !manifest.volumes.has(info.number));
    sets.push({ set, manifest, volumes: [...named, ...unnamed].sort((a, b) => a.info.number - b.info.number) });
  }
  return { time: sets.at(-1)?.set.span.time ?? startTimeOf(chain), sets, damagedManifests };
}

/** @throws RedupError VOLUME_MISSING, VOLUME_HASH for the first volume that is not there (or not whole), MANIFEST_INVALID for one that is not named */
export function requireVolumes(plan: ReadPlan): void {
  const [damaged] = plan.damagedManifests;
  if (damaged !== undefined) throw damaged;
  for (const { info, file, name } of plan.sets.flatMap(({ volumes }) => volumes)) {
    if (file === undefined || file.size < 0 || (info.size ?? file.size) === file.size) continue;
    throw volumeSize(name, file.size, info.size ?? 0);
  }
  const missing = plan.sets.flatMap(({ volumes }) => volumes.filter((volume) => volume.file === undefined));
  const [first] = missing;
  if (first === undefined) return;
  throw volumeMissing(missing.length === 1 ? first.name : `${first.name} (and ${missing.length - 1} more)`);
}

/**
 * Where the target is a folder of this machine: checks every volume of the plan before anything is written. Volumes further
 * away are checked one by one, as they arrive.
 * @throws RedupError VOLUME_HASH, IO
 */
export async function checkVolumes(
  workspace: Workspace,
  plan: ReadPlan,
  signal?: AbortSignal,
): Promise<CheckedVolumes> {
  const checked = new Map<string, number>();
  for (const { info, file } of plan.sets.flatMap((set) => set.volumes)) {
    if (file === undefined) continue;
    const { storage } = workspace;
    const options = { storage, name: file.name, hashes: info.hashes, ...(signal === undefined ? {} : { signal }) };
    const bytes = await checkInPlace(options);
    if (bytes !== undefined) checked.set(file.name, bytes);
  }
  return checked;
}

/**
 * Has the storage fetch back from a cold tier what the plan needs, all at once, and waits (for hours, in Glacier).
 * @throws StorageError
 */
export async function recallVolumes(workspace: Workspace, plan: ReadPlan, signal?: AbortSignal): Promise<void> {
  const { storage } = workspace;
  if (storage.recall === undefined) return;
  const files = plan.sets.flatMap(({ volumes }) => volumes.flatMap(({ file }) => (file === undefined ? [] : [file])));
  workspace.phase('recall');
  await storage.recall(
    files.map((file) => file.name),
    {
      onProgress: ({ ready, total }) => workspace.emit({ type: 'recall', ready, total }),
      ...(signal === undefined ? {} : { signal }),
    },
  );
}

/** Names of volumes that were found right where they lie, with their sizes. */
export type CheckedVolumes = ReadonlyMap<string, number>;

export interface OpenPlanOptions {
  /** A volume that can't be used: go on without it with a warning, stop with its error, or be told and go on. */
  readonly onDamage: 'skip' | 'stop' | ((volume: string, error: unknown) => void);
  /** Which of its hashes a volume must have. */
  readonly prove?: 'strongest' | 'every';
  readonly versions?: 'current' | 'all';
  onMember?(set: number, member: ReadMember): void;
  /** With `prove: 'every'`: a volume is whole, but the manifest has a wrong hash of it. */
  onDoubt?(volume: string, error: RedupError): void;
  /** A volume is here, its hashes checked. */
  onFetched?(volume: string, fetched: Pick<FetchedObject, 'bytes' | 'digests'>): void;
  readonly checked?: CheckedVolumes;
  readonly signal?: AbortSignal;
}

export interface LostVolume {
  /** Which of the plan's sets, from 0. */
  readonly set: number;
  readonly info: VolumeInfo;
  readonly name: string;
}

/** How far reading has come. */
export interface ReadCounts {
  /** Fetched, and of those read to their end. */
  volumes: number;
  done: number;
  bytes: number;
  damaged: number;
  /** Volumes that were gone on without. */
  readonly lost: LostVolume[];
}

/** Opens the sets of a plan, merged. */
export function openPlan(
  workspace: Workspace,
  plan: ReadPlan,
  options: OpenPlanOptions,
): { merged: MergedSets; counts: ReadCounts } {
  const counts: ReadCounts = { volumes: 0, done: 0, bytes: 0, damaged: plan.damagedManifests.length, lost: [] };
  for (const { message, subject } of plan.damagedManifests)
    workspace.warn('DAMAGED_VOLUME', message, subject === undefined ? {} : { object: subject });
  const total = plan.sets.reduce((sum, { volumes }) => sum + volumes.length, 0);
  const readers = plan.sets.map(({ volumes }, index) => {
    return new SetReader({
      volumes: volumes.map((volume) => volumeSource(workspace, volume, { setIndex: index, counts, total }, options)),
      fetchAhead: workspace.storage.localPath === undefined,
      ...(options.onMember === undefined ? {} : { onMember: (member) => options.onMember?.(index, member) }),
      onDamage: (name, error) => {
        if (options.onDamage === 'stop') throw error;
        counts.damaged++;
        const info = volumes.find((volume) => volume.name === name)?.info;
        if (info !== undefined) counts.lost.push({ set: index, info, name });
        if (options.onDamage !== 'skip') return options.onDamage(name, error);
        const why = error instanceof Error ? error.message : String(error);
        workspace.warn('DAMAGED_VOLUME', `Going on without volume ${name}: ${why}`, { object: name });
      },
    });
  });
  return { merged: new MergedSets(readers, { versions: options.versions ?? 'current' }), counts };
}

function volumeSource(
  workspace: Workspace,
  volume: PlannedVolume,
  { setIndex, counts, total }: { readonly setIndex: number; readonly counts: ReadCounts; readonly total: number },
  { signal, checked, prove, onDoubt, onFetched }: OpenPlanOptions,
): VolumeSource {
  const { info, file, name } = volume;
  return {
    name,
    open: async () => {
      if (file === undefined) throw volumeMissing(name);
      const checkable = isCheckable(info.hashes);
      // Who says how to prove has told of it, or will.
      if (!checkable && prove === undefined)
        workspace.warn(
          'NO_HASH',
          `The manifest has no known hash of ${name}; it is checked by its own structure alone`,
          { object: name },
        );
      const checkedBytes = checked?.get(file.name);
      const fetched = await fetchVolume({
        storage: workspace.storage,
        name: file.name,
        hashes: info.hashes,
        ...(checkedBytes === undefined ? {} : { checkedBytes }),
        ...(prove === undefined ? {} : { prove }),
        temporaryPath: join(workspace.temporaryFolder(), `volume-${setIndex}-${info.number}`),
        ...(signal === undefined ? {} : { signal }),
      });
      if (fetched.doubt !== undefined) onDoubt?.(name, fetched.doubt);
      onFetched?.(name, fetched);
      counts.volumes++;
      counts.bytes += fetched.bytes;
      workspace.emit({ type: 'volume', action: 'fetched', name, number: info.number, bytes: fetched.bytes });
      const stored = fetched.read();
      const release = async () => {
        await stored.return();
        await fetched.release();
        const done = ++counts.done;
        workspace.emit({
          type: 'volume',
          action: 'read',
          name,
          number: info.number,
          bytes: fetched.bytes,
          done,
          total,
        });
      };
      const content = (bytes: AsyncIterable<Uint8Array>) => workspace.codec.read(bytes, file.parsed.encoding, name);
      // Checksums inside a volume stand at its end: without a hash it is read twice, so that nothing wrong gets out.
      if (!checkable)
        await readToEnd(content(fetched.read())).catch((error: unknown) => release().then(() => Promise.reject(error)));
      return { bytes: content(stored), release };
    },
  };
}

async function readToEnd(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _ of bytes);
}
