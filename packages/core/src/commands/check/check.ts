/**
 * `check`: is everything there that the backups in a target need, and is it whole? A listing and the manifests always;
 * with `read` the data too, or a random part of them. What is wrong is a finding, never an error: errors are what keeps the
 * check from being made.
 */

import { existsSync } from 'node:fs';
import { type Manifest, toText } from '../../archive/index.js';
import { type Collection, endOf, hasLostManifest, setsOf, takeForComplete } from '../../collection/index.js';
import { RedupError } from '../../errors.js';
import { type PlannedVolume, plannedVolume, storedVolumes } from '../read-plan.js';
import type { Workspace } from '../workspace.js';
import { type KnownSet, localManifest, nameOf, readCatalogue, timesFrom } from './catalogue.js';
import { ChainData, type ReadTotals } from './chain-data.js';
import { type Finding, FindingLog } from './findings.js';
import { checkListing } from './listing.js';
import { chooseSample, randomFrom } from './sample.js';

export interface CheckOptions {
  /** Read the data as well: above 0, up to 100 percent of the volumes' bytes. Without it nothing but metadata is read. */
  readonly readPercent?: number;
  /** Which part is read of less than 100 percent: the same number, the same part. By default another one each time. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface CheckResult {
  /** The first thousand; all of them were events. */
  readonly findings: readonly Finding[];
  readonly found: number;
  /** How many of them affect something. */
  readonly damages: number;
  readonly chains: number;
  readonly sets: number;
  /** Volumes by the listing, and their bytes. */
  readonly volumes: number;
  readonly bytes: number;
  /** What was read and proven; absent when only metadata was. */
  readonly read?: Readonly<ReadTotals> & { readonly percent: number; readonly seed: number };
}

/** @throws RedupError BAD_OPTION, PASSPHRASE_WRONG, …; StorageError */
export async function check(workspace: Workspace, options: CheckOptions = {}): Promise<CheckResult> {
  const { readPercent: percent, signal } = options;
  if (percent !== undefined && !(percent > 0 && percent <= 100))
    throw new RedupError('BAD_OPTION', `${percent} is no percentage to read`, {
      hint: 'Give a number above 0, up to 100.',
    });
  const findings = new FindingLog((finding) => workspace.emit({ type: 'finding', finding }));
  try {
    const { remote, known } = await survey(workspace, findings, signal);
    const seed = options.seed ?? Math.floor(workspace.clock.now() * 1000) % 2 ** 32;
    const totals: ReadTotals = { volumes: 0, bytes: 0, versions: 0, signatures: 0 };
    if (percent !== undefined)
      await readData(workspace, remote, known, { percent, seed, findings, totals, ...options });
    const files = known.flatMap(({ set }) => [...set.volumes.values()]);
    return {
      findings: findings.kept,
      found: findings.count,
      damages: findings.damages,
      chains: remote.chains.length,
      sets: known.length,
      volumes: files.length,
      bytes: files.reduce((sum, file) => sum + Math.max(0, file.size), 0),
      ...(percent === undefined ? {} : { read: { ...totals, percent, seed } }),
    };
  } finally {
    workspace.dispose();
  }
}

export interface Survey {
  /** Sets whose manifest is lost are part of their chains. */
  readonly remote: Collection;
  readonly known: readonly KnownSet[];
}

/** All that names and metadata tell. */
export async function survey(
  workspace: Workspace,
  findings: FindingLog,
  signal: AbortSignal | undefined,
): Promise<Survey> {
  const listed = await workspace.remoteCollection(signal, ({ message, subject = '', hint = '' }) =>
    findings.add({ code: 'DUPLICATE', message, object: toText(subject), affects: 'restores', hint }),
  );
  const remote = withLostManifests(workspace, listed);
  const known = await readCatalogue(workspace, remote, findings, signal);
  checkListing(remote, known, findings);
  for (const each of known) await checkCopy(workspace, each, findings);
  return { remote, known };
}

/** Sets that lost their manifest, other than those that the next backup will finish, count as complete. */
export function withLostManifests(workspace: Workspace, collection: Collection): Collection {
  const begun = new Set(workspace.directory.partials().map(({ parsed }) => parsed.span.time));
  const lost = collection.incompleteSets.filter((set) => hasLostManifest(set, collection) && !begun.has(set.span.time));
  return takeForComplete(collection, lost);
}

/** A restore on this machine reads the copy. */
async function checkCopy(
  workspace: Workspace,
  { set, chain, manifest, manifestState }: KnownSet,
  findings: FindingLog,
): Promise<void> {
  if (set.manifest === undefined || manifest === undefined || manifestState !== 'good') return;
  const place = workspace.directory.placeOf(set.manifest.parsed);
  if (!existsSync(place)) return;
  const copy = await localManifest(workspace, set.manifest);
  if (copy !== undefined && describe(copy) === describe(manifest)) return;
  findings.add({
    code: 'MANIFEST_COPY',
    message: `The copy of ${nameOf(set.manifest)} in the archive directory says something else`,
    object: nameOf(set.manifest),
    affects: 'restores',
    times: timesFrom(set, chain),
    repairable: true,
    hint: `Remove ${place}, or run check --repair: the stored one is fetched again.`,
  });
}

function describe({ host, sourceDirectory, volumes }: Manifest): string {
  return JSON.stringify([
    host,
    sourceDirectory,
    [...volumes.values()].map(({ hashes, ...info }) => [info, [...hashes].sort()]),
  ]);
}

interface ReadOptions extends CheckOptions {
  readonly percent: number;
  readonly seed: number;
  readonly findings: FindingLog;
  readonly totals: ReadTotals;
}

async function readData(
  workspace: Workspace,
  remote: Collection,
  known: readonly KnownSet[],
  { percent, seed, findings, totals, signal }: ReadOptions,
): Promise<void> {
  const hidden = known.find(({ manifestState }) => manifestState === 'hidden');
  if (hidden !== undefined) {
    throw new RedupError(
      'PASSPHRASE_MISSING',
      'The data is encrypted, and there is neither a passphrase nor a key to read it',
      {
        subject: nameOf(hidden.set.manifest),
        hint: 'Set PASSPHRASE, or check where the secret key is. Without --read-data no key is needed.',
      },
    );
  }
  workspace.phase('check');
  const random = randomFrom(seed);
  for (const chain of [...remote.chains].sort((a, b) => endOf(a) - endOf(b))) {
    const sets = setsOf(chain).flatMap((set) => known.filter((each) => each.set === set));
    const sample = chooseSample(sets.map(volumesOf), percent, random);
    const proveSignatures = sets.map(() => random() * 100 < percent);
    const isAll = percent >= 100;
    const options = { sets, sample, isAll, proveSignatures, findings, totals };
    await new ChainData(workspace, { ...options, ...(signal === undefined ? {} : { signal }) }).read();
  }
}

/** By the manifest, or where there is none what is stored. */
export function volumesOf({ set, manifest }: KnownSet): readonly PlannedVolume[] {
  if (manifest === undefined) return storedVolumes(set);
  return [...manifest.volumes.values()].map((info) => plannedVolume(set, info));
}
