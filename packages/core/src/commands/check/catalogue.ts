/**
 * Every set of a target with its manifest: the stored one, which is what a restore on another machine would read. The copy in the
 * archive directory is only held against it, and serves where the stored one can't be read here.
 */

import { existsSync } from 'node:fs';
import { type ArchiveTime, type Manifest, toText } from '../../archive/index.js';
import { readManifest, readRemote } from '../../cache/index.js';
import {
  type BackupChain,
  type BackupSet,
  type Collection,
  type NamedFile,
  setsOf,
  signaturesOf,
} from '../../collection/index.js';
import { errorOfEngine } from '../../error-conversion.js';
import type { ErrorCode, RedupError } from '../../errors.js';
import { readPieces } from '../../volumes/index.js';
import { lostManifest, type PlannedVolume, plannedVolume, storedVolumes } from '../manifests.js';
import type { Workspace } from '../workspace.js';
import type { FindingLog } from './findings.js';

export interface KnownSet {
  readonly set: BackupSet;
  /** Undefined: of no chain. */
  readonly chain: BackupChain | undefined;
  readonly signatures: NamedFile | undefined;
  readonly manifest: Manifest | undefined;
  /** `lost`: it once had one; `none`: of an interrupted backup; `hidden`: it can't be read without the key. */
  readonly manifestState: 'good' | 'damaged' | 'lost' | 'none' | 'hidden';
}

/** Oldest first. @throws RedupError PASSPHRASE_WRONG and the like, when nothing at all can be opened */
export async function readCatalogue(
  workspace: Workspace,
  remote: Collection,
  findings: FindingLog,
  signal: AbortSignal | undefined,
): Promise<KnownSet[]> {
  workspace.phase('metadata');
  const chains = remote.chains.flatMap((chain) => setsOf(chain).map((set) => ({ set, chain })));
  const apart = [...remote.orphanedSets, ...remote.incompleteSets].map((set) => ({ set, chain: undefined }));
  const known: KnownSet[] = [];
  const damages: { readonly set: BackupSet; readonly error: RedupError; readonly times: readonly ArchiveTime[] }[] = [];
  for (const { set, chain } of [...chains, ...apart]) {
    signal?.throwIfAborted();
    const signatures = signaturesOf(set.span, remote);
    const found = await readSetManifest(workspace, remote, set, signal);
    if ('error' in found) damages.push({ set, error: found.error, times: timesFrom(set, chain) });
    const { manifest, state } = 'error' in found ? { manifest: undefined, state: 'damaged' as const } : found;
    known.push({ set, chain, signatures, manifest, manifestState: state });
  }
  const key = damages.find(({ error }) => mayBeTheKey(error));
  const opened = known.some(({ set, manifestState }) => manifestState === 'good' && isSealed(set.manifest));
  if (key !== undefined && !opened && !(await opensSomething(workspace, known, signal))) {
    if (!isNoKey(key.error)) throw key.error;
    // Names and sizes can be checked nevertheless.
    const hidden = damages.splice(0).map(({ set }) => set);
    for (const [index, each] of known.entries())
      if (hidden.includes(each.set))
        known[index] = { ...each, ...(await hiddenManifest(workspace, each.set.manifest)) };
  }
  for (const { set, error, times } of damages) {
    findings.add({
      code: error.code === 'SIGNER' ? 'SIGNER' : 'MANIFEST_DAMAGED',
      message: `The manifest ${nameOf(set.manifest)} cannot be used: ${error.message}`,
      object: nameOf(set.manifest),
      affects: 'restores',
      times,
      ...(error.code === 'SIGNER' ? {} : { repair: { what: 'manifest', set, trustCopy: true } }),
      hint:
        error.code === 'SIGNER'
          ? 'Somebody else may have put it there. Do not restore from it without knowing who.'
          : 'Run check --repair: it is stored again from the copy in the archive directory, or made from the volumes.',
    });
  }
  return known.sort((a, b) => a.set.span.time - b.set.span.time);
}

type Found = { readonly manifest: Manifest | undefined; readonly state: 'good' | 'lost' | 'none' | 'hidden' };

async function readSetManifest(
  workspace: Workspace,
  remote: Collection,
  set: BackupSet,
  signal: AbortSignal | undefined,
): Promise<Found | { readonly error: RedupError }> {
  const file = set.manifest;
  if (file === undefined) return { manifest: undefined, state: lostManifest(workspace, set, remote) ? 'lost' : 'none' };
  if (!workspace.readsAtWill(file.parsed.encoding))
    return { manifest: await localManifest(workspace, file), state: 'hidden' };
  try {
    const bytes = readRemote(workspace.syncContext(signal), file);
    return { manifest: await readManifest(bytes, nameOf(file)), state: 'good' };
  } catch (error) {
    const known = errorOfEngine(error);
    if (!isDamage(known) && !mayBeTheKey(known)) throw error;
    return { error: known };
  }
}

async function hiddenManifest(workspace: Workspace, file: NamedFile | undefined) {
  const manifest = file === undefined ? undefined : await localManifest(workspace, file);
  return { manifest, manifestState: 'hidden' as const };
}

/** There is no key here; a wrong one is an error. */
function isNoKey({ code }: RedupError): boolean {
  return code === 'PASSPHRASE_MISSING' || code === 'SECRET_KEY_MISSING';
}

/** The copy in the archive directory, if there is a readable one. */
export async function localManifest(
  workspace: Workspace,
  file: Pick<NamedFile, 'parsed'>,
): Promise<Manifest | undefined> {
  const place = workspace.directory.placeOf({ ...file.parsed, partial: false });
  if (!existsSync(place)) return undefined;
  try {
    return await readManifest(readPieces(place), place);
  } catch (error) {
    if (errorOfEngine(error).code === 'MANIFEST_INVALID') return undefined;
    throw error;
  }
}

/** This set and those that need it. */
export function timesFrom(set: BackupSet, chain: BackupChain | undefined): ArchiveTime[] {
  const sets = chain === undefined ? [set] : setsOf(chain).filter(({ span }) => span.time >= set.span.time);
  return sets.map(({ span }) => span.time);
}

const DAMAGE: ReadonlySet<RedupError['code']> = new Set([
  'MANIFEST_INVALID',
  'SIGNATURE_DAMAGED',
  'VOLUME_DAMAGED',
  'VOLUME_HASH',
  'VOLUME_MISSING',
  'ARCHIVE_INVALID',
  'SIGNER',
]);

/** Errors that are the fault of the stored bytes. Those of the way there end the check. */
export function isDamage(error: RedupError): boolean {
  return DAMAGE.has(error.code);
}

/** One flipped bit at the head of a message looks like a wrong key. */
export function mayBeTheKey(error: RedupError): boolean {
  return KEY_PROBLEMS.includes(error.code);
}

const KEY_PROBLEMS: readonly ErrorCode[] = [
  'PASSPHRASE_WRONG',
  'PASSPHRASE_MISSING',
  'KEY_LOCKED',
  'SECRET_KEY_MISSING',
  'GPG_MISSING',
  'AGENT_UNREACHABLE',
  'ENCRYPTION',
];

function isSealed(file: NamedFile | undefined): boolean {
  return file?.parsed.encoding === 'openpgp';
}

/** Whether the key opens any other object of the target: then it is the right one. */
async function opensSomething(
  workspace: Workspace,
  known: readonly KnownSet[],
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const files = known
    .flatMap(({ set, signatures }) => [signatures, ...set.volumes.values()])
    .filter((file) => file !== undefined);
  for (const file of files.filter(isSealed).slice(0, 5)) {
    try {
      for await (const _ of readRemote(workspace.syncContext(signal), file)) return true;
      return true;
    } catch (error) {
      const found = errorOfEngine(error);
      if (!isDamage(found) && !mayBeTheKey(found)) throw error;
    }
  }
  return false;
}

export function nameOf(file: Pick<NamedFile, 'name'> | undefined): string {
  return toText(file?.name ?? '');
}

/** By the manifest, or where there is none what is stored. */
export function volumesOf({ set, manifest }: KnownSet): readonly PlannedVolume[] {
  if (manifest === undefined) return storedVolumes(set);
  return [...manifest.volumes.values()].map((info) => plannedVolume(set, info));
}
