/**
 * `check`: is everything there that the backups in a target need, and is it whole? A listing and the manifests always;
 * with `read` the data too, or a random part of them. What is wrong is a finding, never an error: errors are what keeps the
 * check from being made.
 */

import { existsSync } from 'node:fs';
import { type Manifest, toText } from '../../archive/index.js';
import { type Collection, endOf, setsOf } from '../../collection/index.js';
import { RedupError } from '../../errors.js';
import { withLostManifests } from '../manifests.js';
import { lockedWhen } from '../remove.js';
import type { Workspace } from '../workspace.js';
import { type KnownSet, localManifest, nameOf, readCatalogue, timesFrom, volumesOf } from './catalogue.js';
import { ChainData, type ReadTotals } from './chain-data.js';
import { type Finding, FindingLog } from './findings.js';
import { checkListing } from './listing.js';
import { type Repair, repair } from './repair.js';
import { chooseSample, randomFrom } from './sample.js';
import { SignatureProof, signaturesDamaged } from './signature-proof.js';

export interface CheckOptions {
  /** Read the data as well: above 0, up to 100 percent of the volumes' bytes. Without it nothing but metadata is read. */
  readonly readPercent?: number;
  /** Make again what can be: manifests and signatures, from the copies here or from the volumes. */
  readonly repair?: boolean;
  /** Which part is read of less than 100 percent: the same number, the same part. By default another one each time. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
}

export interface CheckResult {
  /** The first thousand; all of them were events. */
  readonly findings: readonly Finding[];
  readonly found: number;
  /** How many of them affect something and were not repaired. */
  readonly damages: number;
  readonly repairs: readonly Repair[];
  readonly chains: number;
  readonly sets: number;
  /** Volumes by the listing, and their bytes. */
  readonly volumes: number;
  readonly bytes: number;
  /** What was read and proven; absent when only metadata was. */
  readonly read?: Readonly<ReadTotals> & { readonly percent: number; readonly seed: number };
}

/** @throws RedupError BAD_OPTION, LOCKED (to repair), PASSPHRASE_WRONG, …; StorageError */
export async function check(workspace: Workspace, options: CheckOptions = {}): Promise<CheckResult> {
  const { readPercent: percent } = options;
  if (percent !== undefined && !(percent > 0 && percent <= 100))
    throw new RedupError('BAD_OPTION', `${percent} is no percentage to read`, {
      hint: 'Give a number above 0, up to 100.',
    });
  return lockedWhen(options.repair === true, workspace, () => checkAll(workspace, options));
}

async function checkAll(workspace: Workspace, options: CheckOptions): Promise<CheckResult> {
  const { readPercent: percent, signal } = options;
  const findings = new FindingLog((finding) => workspace.emit({ type: 'finding', finding }));
  try {
    const { remote, known } = await survey(workspace, findings, signal);
    const seed = options.seed ?? Math.floor(workspace.clock.now() * 1000) % 2 ** 32;
    const totals: ReadTotals = { volumes: 0, bytes: 0, versions: 0, signatures: 0 };
    if (percent !== undefined)
      await readData(workspace, remote, known, { percent, seed, findings, totals, ...options });
    if (options.repair && percent !== 100) await proveSignatureFiles(workspace, known, findings, signal);
    const needs = [...findings.needs.values()];
    const repairs =
      options.repair && needs.length > 0
        ? await repair(workspace, { needs, known, ...(signal === undefined ? {} : { signal }) })
        : [];
    const failed = repairs.filter(({ from }) => from === undefined).length;
    const files = known.flatMap(({ set }) => [...set.volumes.values()]);
    return {
      findings: findings.kept,
      found: findings.count,
      damages: options.repair ? findings.unrepairable + failed : findings.damages,
      repairs,
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
    repair: { what: 'copy', set, trustCopy: false },
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

/** A repair must know of all signature files that are damaged, not only of those that are missing. */
async function proveSignatureFiles(
  workspace: Workspace,
  known: readonly KnownSet[],
  findings: FindingLog,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { set, chain, signatures } of known) {
    if (signatures === undefined || signatures.size === 0 || !workspace.readsAtWill(signatures.parsed.encoding))
      continue;
    const proof = new SignatureProof(workspace, signatures, {
      onDamage: (error) => findings.add(signaturesDamaged(signatures, error, { set, chain })),
      onSurplus: () => {},
      ...(signal === undefined ? {} : { signal }),
    });
    await proof.finish();
    await proof.close();
  }
}
