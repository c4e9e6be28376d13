/**
 * Which set a backup will make: full or incremental, on which chain, and whether that chain may be continued.
 * All checks that can refuse a backup are made here, before anything is written.
 */

import { existsSync } from 'node:fs';
import { OpenPgpError } from '@redup/openpgp';
import {
  type ArchiveTime,
  asTime,
  type ByteString,
  formatTime,
  type Manifest,
  type SetSpan,
  toText,
} from '../archive/index.js';
import { loadManifest, localSignatures, readManifest, readRemote, type SyncContext } from '../cache/index.js';
import {
  type BackupChain,
  type BackupSet,
  type Collection,
  endOf,
  latestChain,
  type NamedFile,
  setsOf,
  signaturesFor,
  startTimeOf,
} from '../collection/index.js';
import type { SignatureFile } from '../delta/index.js';
import { RedupError } from '../errors.js';
import { findResumable, type ResumePlan } from './resume.js';
import { synchronize } from './synchronize.js';
import type { Workspace } from './workspace.js';

export interface SetPlan {
  readonly span: SetSpan;
  /** Signatures to compare with, oldest first; empty for a full set. */
  readonly signatures: readonly SignatureFile[];
  /** The full backup that this set is or builds on. */
  readonly fullTime: ArchiveTime;
  /** The sets of its chain, oldest first; none for a full set. */
  readonly before: readonly BackupSet[];
  /** An interrupted backup that this one goes on with. */
  readonly resume?: ResumePlan;
}

export interface PlanOptions {
  readonly type: 'auto' | 'full' | 'incremental';
  /** Seconds; a last full backup older than that makes `auto` and `incremental` a full one. */
  readonly fullIfOlderThan?: number;
  readonly allowSourceMismatch: boolean;
  /** As the manifest names it. */
  readonly sourceDirectory: ByteString;
  /** Its place on disk, if it has one. */
  readonly root: ByteString | undefined;
  readonly dryRun: boolean;
  readonly signal?: AbortSignal;
}

/** Clocks of hosts differ by seconds; more than this is a clock that went back. */
const TOLERATED_BACKWARDS_S = 5;

/** @throws RedupError NO_SIGNATURES, HOST_MISMATCH, SOURCE_MISMATCH, MANIFEST_MISMATCH, CLOCK_BACK, PASSPHRASE_WRONG */
export async function planSet(workspace: Workspace, remote: Collection, options: PlanOptions): Promise<SetPlan> {
  const chain = latestChain(remote);
  const resume = options.dryRun
    ? undefined
    : await findResumable(workspace, remote, { host: workspace.hostName, ...options });
  if (resume !== undefined) return planResumed(workspace, remote, chain, resume, options);
  const { base, whyFull } = incrementalBase(workspace, remote, chain, options);
  const needed = base === undefined ? [] : neededFor(base);
  await needingLocalCopies(workspace, () => synchronize(workspace, remote, needed, options.signal));
  if (whyFull === 'too old') workspace.notice('Last full backup is too old, forcing full backup');
  if (whyFull === 'no signatures') workspace.notice('No signatures found, switching to full backup.', 'warning');
  const time = await nextTime(workspace, remote, chain, options.signal);
  if (base === undefined) return { span: { type: 'full', time }, signatures: [], fullTime: time, before: [] };
  await checkContinues(workspace, base.chain, options);
  const signatures = await signaturesHere(workspace, base.signatures, options.signal);
  const span = { type: 'inc', start: endOf(base.chain), time } as const;
  return { span, signatures, fullTime: startTimeOf(base.chain), before: setsOf(base.chain) };
}

/** Like duplicity, an interrupted backup is finished first, whatever type was asked for. */
async function planResumed(
  workspace: Workspace,
  remote: Collection,
  chain: BackupChain | undefined,
  resume: ResumePlan,
  options: PlanOptions,
): Promise<SetPlan> {
  const { span, kept } = resume;
  workspace.notice(
    `Going on with the backup of ${formatTime(span.time)} that was interrupted after volume ${kept.length}`,
  );
  if (span.type === 'full') return { span, signatures: [], fullTime: span.time, before: [], resume };
  const files = chain === undefined ? undefined : signaturesFor(setsOf(chain), remote.signatureChains);
  if (chain === undefined || files === undefined) {
    throw new RedupError(
      'NO_SIGNATURES',
      'The backup that was interrupted cannot be continued: its chain has no signatures',
      {
        hint: 'Run cleanup --force, then make a full backup.',
      },
    );
  }
  const needed = neededFor({ chain, signatures: files });
  await needingLocalCopies(workspace, () => synchronize(workspace, remote, needed, options.signal));
  await checkContinues(workspace, chain, options);
  const signatures = await signaturesHere(workspace, files, options.signal);
  return { span, signatures, fullTime: startTimeOf(chain), before: setsOf(chain), resume };
}

interface Base {
  readonly chain: BackupChain;
  readonly signatures: readonly NamedFile[];
}

/** What an incremental backup builds on, or why a full one is made though it was not asked for. */
function incrementalBase(
  workspace: Workspace,
  remote: Collection,
  chain: BackupChain | undefined,
  { type, fullIfOlderThan }: PlanOptions,
): { readonly base?: Base; readonly whyFull?: 'no signatures' | 'too old' } {
  if (type === 'full') return {};
  const signatures = chain === undefined ? undefined : signaturesFor(setsOf(chain), remote.signatureChains);
  if (chain === undefined || signatures === undefined) {
    if (type === 'incremental') {
      throw new RedupError('NO_SIGNATURES', 'There is no backup that an incremental one could continue', {
        hint: 'Make a full backup first. If there should be one, check the URL and --file-prefix.',
      });
    }
    return { whyFull: 'no signatures' };
  }
  if (fullIfOlderThan !== undefined && startTimeOf(chain) < workspace.now() - fullIfOlderThan)
    return { whyFull: 'too old' };
  return { base: { chain, signatures } };
}

function neededFor({ chain, signatures }: Base): readonly NamedFile[] {
  const { manifest } = chain.incrementals.at(-1) ?? chain.full;
  return manifest === undefined ? signatures : [manifest, ...signatures];
}

/** The time of the new set must be later than everything stored: names and chains depend on it. */
async function nextTime(
  workspace: Workspace,
  remote: Collection,
  chain: BackupChain | undefined,
  signal: AbortSignal | undefined,
): Promise<ArchiveTime> {
  const now = workspace.now();
  // Sets that belong to no chain, such as an interrupted one, have names that must not be taken again either.
  const apart = [...remote.incompleteSets, ...remote.orphanedSets].map((set) => set.span.time);
  const last = asTime(Math.max(chain === undefined ? 0 : endOf(chain), apart.includes(now) ? now : 0));
  if (now > last) return now;
  if (last - now > TOLERATED_BACKWARDS_S) {
    throw new RedupError(
      'CLOCK_BACK',
      `The clock says ${formatTime(now)}, but the last backup was made at ${formatTime(last)}`,
      {
        hint: 'Set the clock right. A backup with an earlier time would belong to no chain and could not be restored.',
      },
    );
  }
  await workspace.clock.sleep((last - workspace.clock.now() + 1.01) * 1000, signal);
  return asTime(Math.max(workspace.now(), last + 1));
}

/**
 * The last manifest of the chain, here and in the target, must agree, and be of this host and source. Reading the target's
 * copy also proves the passphrase: a chain with two passphrases could not be restored with either.
 */
async function checkContinues(workspace: Workspace, chain: BackupChain, options: PlanOptions): Promise<void> {
  const file = (chain.incrementals.at(-1) ?? chain.full).manifest;
  if (file === undefined) return;
  const context = workspace.syncContext(options.signal);
  const isLocal = existsSync(workspace.directory.placeOf(file.parsed));
  const manifest = await needingLocalCopies(workspace, () => loadManifest(context, file));
  const stored =
    isLocal && workspace.readsAtWill(file.parsed.encoding) ? await readIfPossible(context, file) : undefined;
  if (stored !== undefined) {
    const same = (x: typeof manifest) => JSON.stringify([x.host, x.sourceDirectory, [...x.volumes.keys()]]);
    if (same(stored) !== same(manifest)) {
      throw new RedupError(
        'MANIFEST_MISMATCH',
        `The manifest ${toText(file.name)} in the target differs from its copy in the archive directory`,
        {
          subject: toText(file.name),
          hint: `Remove ${workspace.directory.placeOf(file.parsed)}: the target's manifest is fetched again.`,
        },
      );
    }
  }
  if (options.allowSourceMismatch) return;
  const { host, sourceDirectory } = manifest;
  if (host !== undefined && host !== workspace.hostName) {
    throw new RedupError(
      'HOST_MISMATCH',
      `The backups in this target are of the host ${toText(host)}, this is ${toText(workspace.hostName)}`,
      {
        subject: toText(host),
        hint: 'Two hosts must not share a target. If the host was renamed, use --allow-source-mismatch once.',
      },
    );
  }
  if (sourceDirectory !== undefined && sourceDirectory !== options.sourceDirectory) {
    const [was, is] = [toText(sourceDirectory), toText(options.sourceDirectory)];
    throw new RedupError('SOURCE_MISMATCH', `The backups in this target are of ${was}, the source now is ${is}`, {
      subject: is,
      hint: 'Two folders must not share a target. If the folder was moved or is spelled otherwise, use --allow-source-mismatch once.',
    });
  }
}

/** The target's manifest; undefined when it is encrypted to keys that are all elsewhere. */
async function readIfPossible(context: SyncContext, file: NamedFile): Promise<Manifest | undefined> {
  try {
    return await readManifest(readRemote(context, file), toText(file.name));
  } catch (error) {
    if (!(error instanceof OpenPgpError)) throw error;
    if (error.code === 'no-secret-key') return undefined;
    throw SIGNER_PROBLEMS.includes(error.code) ? otherwiseSigned(error) : error;
  }
}

function signaturesHere(
  workspace: Workspace,
  files: readonly NamedFile[],
  signal: AbortSignal | undefined,
): Promise<SignatureFile[]> {
  return needingLocalCopies(workspace, () => localSignatures(workspace.syncContext(signal), files));
}

/** A host with public keys alone lives on its local copies. */
async function needingLocalCopies<T>(workspace: Workspace, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof OpenPgpError) || !SECRET_KEY_PROBLEMS.includes(error.code)) throw error;
    const { subject } = error;
    throw new RedupError(
      'SECRET_KEY_MISSING',
      `The local copy of ${subject ?? 'the last backup'} is missing, and the stored one can't be decrypted: ${error.message}`,
      {
        hint: `Bring ${workspace.directory.path} back, make the secret key available this once, or begin a new chain with \`full\`.`,
        cause: error,
        ...(subject === undefined ? {} : { subject }),
      },
    );
  }
}

/** A chain of which only a part is signed could not be restored with --sign-key. */
function otherwiseSigned(cause: OpenPgpError): RedupError {
  const { subject = '', message } = cause;
  return new RedupError('SIGNER', `${subject}: ${message}`, {
    subject,
    hint: 'If this chain was begun without --sign-key or with another key, begin a new one with `full`. If not, it was replaced.',
    cause,
  });
}

const SIGNER_PROBLEMS: readonly string[] = ['unsigned', 'wrong-signer', 'bad-signature'];
const SECRET_KEY_PROBLEMS: readonly string[] = ['no-secret-key', 'key-passphrase', 'gpg-missing', 'agent-unreachable'];
