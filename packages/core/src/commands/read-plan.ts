/**
 * What reading a time needs: which sets, their manifests, and the volumes that can hold the path asked for.
 * A plan is a plain value; everything that can be known to be missing is known before anything is written.
 */

import { join } from 'node:path';
import { type ArchiveTime, type Manifest, type Path, toText, type VolumeInfo } from '../archive/index.js';
import { loadManifest } from '../cache/index.js';
import {
  type BackupSet,
  type Collection,
  chainAt,
  type NamedFile,
  setsAt,
  startTimeOf,
  volumesFor,
} from '../collection/index.js';
import { RedupError } from '../errors.js';
import { fetchVolume, MergedSets, SetReader, type VolumeSource, volumeMissing } from '../volumes/index.js';
import type { Workspace } from './workspace.js';

export interface PlannedVolume {
  readonly info: VolumeInfo;
  /** Undefined: the target does not have it. */
  readonly file: NamedFile | undefined;
  /** The name it has or should have. */
  readonly name: string;
}

export interface ReadPlan {
  /** Time of the last set read. */
  readonly time: ArchiveTime;
  readonly sets: readonly {
    readonly set: BackupSet;
    readonly manifest: Manifest;
    readonly volumes: readonly PlannedVolume[];
  }[];
}

export interface ReadPlanOptions {
  readonly time: ArchiveTime | undefined;
  readonly path: Path;
  readonly signal?: AbortSignal;
}

/** @throws RedupError NO_BACKUP, MANIFEST_INVALID */
export async function planReading(
  workspace: Workspace,
  remote: Collection,
  options: ReadPlanOptions,
): Promise<ReadPlan> {
  const time = options.time ?? workspace.now();
  const chain = chainAt(remote.chains, time);
  if (chain === undefined) {
    const hint =
      remote.incompleteSets.length > 0
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
  const sets = [];
  for (const set of setsAt(chain, time)) {
    if (set.manifest === undefined) continue;
    const manifest = await loadManifest(workspace.syncContext(options.signal), set.manifest);
    const volumes = volumesFor(manifest, options.path).map((info) => plannedVolume(set, info));
    sets.push({ set, manifest, volumes });
  }
  return { time: sets.at(-1)?.set.span.time ?? startTimeOf(chain), sets };
}

function plannedVolume(set: BackupSet, info: VolumeInfo): PlannedVolume {
  const file = set.volumes.get(info.number);
  const any = [...set.volumes.values()][0] ?? set.manifest;
  const name = file?.name ?? (any?.name ?? '').replace(/\.(vol\d+\.difftar|manifest)/, `.vol${info.number}.difftar`);
  return { info, file, name: toText(name) };
}

/** @throws RedupError VOLUME_MISSING for the first volume that is not there */
export function requireVolumes(plan: ReadPlan): void {
  const missing = plan.sets.flatMap(({ volumes }) => volumes.filter((volume) => volume.file === undefined));
  const [first] = missing;
  if (first === undefined) return;
  throw volumeMissing(missing.length === 1 ? first.name : `${first.name} (and ${missing.length - 1} more)`);
}

export interface OpenPlanOptions {
  /** A volume that can't be used: go on without it, or stop with its error. */
  readonly onDamage: 'skip' | 'stop';
  readonly signal?: AbortSignal;
}

/** How far reading has come. */
export interface ReadCounts {
  volumes: number;
  bytes: number;
  damaged: number;
}

/** Opens the sets of a plan, merged. */
export function openPlan(
  workspace: Workspace,
  plan: ReadPlan,
  options: OpenPlanOptions,
): { merged: MergedSets; counts: ReadCounts } {
  const counts: ReadCounts = { volumes: 0, bytes: 0, damaged: 0 };
  const readers = plan.sets.map(({ volumes }, index) => {
    return new SetReader({
      volumes: volumes.map((volume) => volumeSource(workspace, volume, index, counts, options)),
      fetchAhead: workspace.storage.localPath === undefined,
      onDamage: (name, error) => {
        if (options.onDamage === 'stop') throw error;
        counts.damaged++;
        const why = error instanceof Error ? error.message : String(error);
        workspace.warn('DAMAGED_VOLUME', `Going on without volume ${name}: ${why}`, { object: name });
      },
    });
  });
  return { merged: new MergedSets(readers), counts };
}

function volumeSource(
  workspace: Workspace,
  volume: PlannedVolume,
  setIndex: number,
  counts: ReadCounts,
  { signal }: OpenPlanOptions,
): VolumeSource {
  const { info, file, name } = volume;
  return {
    name,
    open: async () => {
      if (file === undefined) throw volumeMissing(name);
      if (info.hashes.size === 0)
        workspace.warn('NO_HASH', `The manifest has no hash of ${name}; it is read unchecked`, { object: name });
      const fetched = await fetchVolume({
        storage: workspace.storage,
        name: file.name,
        hashes: info.hashes,
        temporaryPath: join(workspace.temporaryFolder(), `volume-${setIndex}-${info.number}`),
        ...(signal === undefined ? {} : { signal }),
      });
      counts.volumes++;
      counts.bytes += fetched.bytes;
      workspace.emit({ type: 'volume', action: 'fetched', name, number: info.number, bytes: fetched.bytes });
      const stored = fetched.read();
      const release = async () => {
        await stored.return();
        await fetched.release();
      };
      return { bytes: workspace.codec.read(stored, file.parsed.encoding, name), release };
    },
  };
}
