/** Manifests that are lost, damaged or cut off, and what can be read without them: the volumes that are stored. */

import {
  type ArchiveTime,
  asPath,
  formatTime,
  type Manifest,
  ROOT,
  setKey,
  toText,
  type VolumeInfo,
} from '../archive/index.js';
import { loadManifest } from '../cache/index.js';
import {
  type BackupChain,
  type BackupSet,
  type Collection,
  chainAt,
  hasLostManifest,
  type NamedFile,
  setsAt,
  setsOf,
  takeForComplete,
} from '../collection/index.js';
import { errorOfEngine } from '../error-conversion.js';
import { RedupError } from '../errors.js';
import type { Workspace } from './workspace.js';

export interface PlannedVolume {
  readonly info: VolumeInfo;
  /** Undefined: the target does not have it. */
  readonly file: NamedFile | undefined;
  /** The name it has or should have. */
  readonly name: string;
}

/** Sets that lost their manifest count as complete. */
export function withLostManifests(workspace: Workspace, collection: Collection): Collection {
  const lost = collection.incompleteSets.filter((set) => lostManifest(workspace, set, collection));
  return takeForComplete(collection, lost);
}

/** Whether a set without a manifest once had one, and is not one that the next backup will finish. */
export function lostManifest(workspace: Workspace, set: BackupSet, collection: Collection): boolean {
  const { directory } = workspace;
  if (set.manifest !== undefined) return false;
  if (directory.partials().some(({ parsed }) => setKey(parsed.span) === setKey(set.span))) return false;
  const copy = { kind: 'manifest', span: set.span, volume: 0, encoding: 'plain', partial: false } as const;
  return hasLostManifest(set, collection) || directory.has(copy);
}

/** Passing over a backup in silence would give an older state for a newer one. */
export function warnOfLost(workspace: Workspace, completed: Collection, used: BackupChain, time: ArchiveTime): void {
  const chain = chainAt(completed.chains, time);
  if (chain === undefined) return;
  const known = new Set(setsOf(used).map((set) => setKey(set.span)));
  for (const set of setsAt(chain, time)) {
    if (set.manifest !== undefined && known.has(setKey(set.span))) continue;
    const why = set.manifest === undefined ? 'its manifest is lost' : 'it builds on one whose manifest is lost';
    const message = `The backup of ${formatTime(set.span.time)} is passed over, because ${why}. check --repair makes it again; --ignore-errors reads its volumes`;
    workspace.warn('INCOMPLETE_SET', message);
  }
}

/** Undefined: it is lost or damaged, and the caller does without. */
export async function manifestOf(
  workspace: Workspace,
  set: BackupSet,
  { withoutManifests, signal }: { readonly withoutManifests?: boolean; readonly signal?: AbortSignal },
): Promise<Manifest | undefined> {
  if (set.manifest !== undefined) {
    try {
      const manifest = await loadManifest(workspace.syncContext(signal), set.manifest);
      if (leftOut(set, manifest, '') === undefined) return manifest;
      // It may be the copy that was cut off.
      workspace.directory.remove(workspace.directory.placeOf(set.manifest.parsed));
      return await loadManifest(workspace.syncContext(signal), set.manifest);
    } catch (error) {
      const { code } = errorOfEngine(error);
      if (!withoutManifests || (code !== 'MANIFEST_INVALID' && code !== 'VOLUME_DAMAGED')) throw error;
    }
  }
  return undefined;
}

/** What is restored all the same is not proven to be all there was. */
export function withoutManifest(set: BackupSet): RedupError {
  const subject = toText(set.manifest?.name ?? [...set.volumes.values()][0]?.name ?? '');
  const time = formatTime(set.span.time);
  return new RedupError(
    'MANIFEST_INVALID',
    `The backup of ${time} has no usable manifest: its volumes are read without their hashes`,
    {
      subject,
      hint: 'check --repair makes it again.',
    },
  );
}

/** Every set has a volume, and every volume is in the manifest: one that was cut off would hide files silently. */
export function leftOut(set: BackupSet, manifest: Manifest, subject: string): RedupError | undefined {
  const known = (n: number) => manifest.volumes.has(n) || manifest.superseded?.has(n) === true;
  const unknown = [...set.volumes.keys()].filter((n) => !known(n));
  if (unknown.length === 0 && manifest.volumes.size > 0) return undefined;
  const what =
    manifest.volumes.size === 0 ? 'names no volume' : `does not name volume ${unknown.join(', ')}, which is stored`;
  return new RedupError('MANIFEST_INVALID', `The manifest ${subject} is incomplete: it ${what}`, {
    subject,
    hint: 'Fetch another copy of it if you have one. --ignore-errors restores what it names; an older time may be whole.',
  });
}

/** The volumes of a set whose manifest is not there or not readable: those that are stored, each of which may hold anything. */
export function storedVolumes(set: BackupSet): PlannedVolume[] {
  const anywhere = { start: { path: ROOT }, end: { path: BEHIND_ALL }, hashes: new Map() };
  return [...set.volumes]
    .sort(([a], [b]) => a - b)
    .map(([number, file]) => ({ info: { number, ...anywhere }, file, name: toText(file.name) }));
}

/** Behind every path that a file system takes. */
const BEHIND_ALL = asPath('\xff'.repeat(4096));

export function plannedVolume(set: BackupSet, info: VolumeInfo): PlannedVolume {
  const file = set.volumes.get(info.number);
  const any = [...set.volumes.values()][0] ?? set.manifest;
  const name = file?.name ?? (any?.name ?? '').replace(/\.(vol\d+\.difftar|manifest)/, `.vol${info.number}.difftar`);
  return { info, file, name: toText(name) };
}
