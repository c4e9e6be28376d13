/**
 * A listing of file names → backup sets → chains (FORMAT.md §8). Pure.
 */

import {
  type ArchiveName,
  type ArchiveTime,
  type ByteString,
  type NamePrefixes,
  parseName,
  type SetSpan,
  setKey,
} from '../archive/index.js';
import { RedupError } from '../errors.js';

/** A file of the archive, with what its name says. */
export interface NamedFile {
  readonly name: ByteString;
  readonly parsed: ArchiveName;
  /** Bytes; -1 when unknown. */
  readonly size: number;
  /** The storage's mark of the stored bytes, where it has one. */
  readonly tag?: string;
}

export interface BackupSet {
  readonly span: SetSpan;
  /** Volume number → file. */
  readonly volumes: ReadonlyMap<number, NamedFile>;
  /** Without one the set is incomplete. */
  readonly manifest: NamedFile | undefined;
  readonly statistics: NamedFile | undefined;
  /** The local part of a backup that was interrupted (or runs). */
  readonly partial: boolean;
}

export interface BackupChain {
  readonly full: BackupSet;
  readonly incrementals: readonly BackupSet[];
}

export interface SignatureChain {
  /** Full signatures, then those of each incremental. */
  readonly files: readonly NamedFile[];
  readonly start: ArchiveTime;
  readonly end: ArchiveTime;
}

export interface Collection {
  /** By end time, oldest first. */
  readonly chains: readonly BackupChain[];
  readonly signatureChains: readonly SignatureChain[];
  /** Incremental sets whose predecessor is missing. */
  readonly orphanedSets: readonly BackupSet[];
  /** Sets without a manifest. */
  readonly incompleteSets: readonly BackupSet[];
  readonly orphanedSignatures: readonly NamedFile[];
  /** Files of the listing that are none of the archive's. */
  readonly foreign: readonly ByteString[];
}

export interface Listed {
  readonly name: ByteString;
  readonly size: number;
  readonly tag?: string;
}

export interface CollectOptions {
  readonly prefixes?: NamePrefixes;
  readonly timeSeparator?: string;
  /** Told of a file that claims to be what another one is; the first then counts. By default it is an error. */
  onDuplicate?(error: RedupError): void;
}

/** @throws RedupError DUPLICATE_SET when two files claim to be the same volume or manifest */
export function collect(
  listing: Iterable<Listed>,
  { prefixes = {}, timeSeparator = ':', onDuplicate = refuse }: CollectOptions = {},
): Collection {
  const drafts = new Map<string, SetDraft>();
  const signatures: NamedFile[] = [];
  const foreign: ByteString[] = [];
  for (const { name, size, tag } of listing) {
    const parsed = parseName(name, prefixes, timeSeparator);
    const mark = tag === undefined ? { size } : { size, tag };
    if (parsed === undefined || !isLaterThanItsStart(parsed.span)) foreign.push(name);
    else if (parsed.kind === 'signatures') signatures.push({ name, parsed, ...mark });
    else addToSet(drafts, { name, parsed, ...mark }, onDuplicate);
  }
  const sets = [...drafts.values()];
  const complete = sets.filter((set) => set.manifest !== undefined);
  const { chains, orphaned } = formChains(complete);
  const signed = formSignatureChains(signatures, new Set(chains.flatMap(setsOf).map((set) => setKey(set.span))));
  return {
    chains,
    signatureChains: signed.chains,
    orphanedSets: orphaned,
    incompleteSets: sets.filter((set) => set.manifest === undefined && set.volumes.size > 0).sort(byEnd),
    orphanedSignatures: signed.orphaned,
    foreign,
  };
}

/** Nobody writes another; a chain that led back to itself would never end. */
function isLaterThanItsStart(span: SetSpan): boolean {
  return span.type === 'full' || span.time > span.start;
}

interface SetDraft {
  readonly span: SetSpan;
  readonly volumes: Map<number, NamedFile>;
  manifest: NamedFile | undefined;
  statistics: NamedFile | undefined;
  partial: boolean;
}

function refuse(error: RedupError): never {
  throw error;
}

function addToSet(drafts: Map<string, SetDraft>, file: NamedFile, onDuplicate: (error: RedupError) => void): void {
  const { kind, span, volume, partial } = file.parsed;
  const key = setKey(span);
  let set = drafts.get(key);
  if (set === undefined) {
    set = { span, volumes: new Map(), manifest: undefined, statistics: undefined, partial: false };
    drafts.set(key, set);
  }
  set.partial ||= partial;
  if (kind === 'statistics') {
    set.statistics = file;
    return;
  }
  const existing = kind === 'volume' ? set.volumes.get(volume) : set.manifest;
  if (existing !== undefined) {
    const message = `${existing.name} and ${file.name} claim to be the same part of a backup`;
    const hint = 'Move the one that does not belong there out of the target.';
    onDuplicate(new RedupError('DUPLICATE_SET', message, { subject: file.name, hint }));
    return;
  }
  if (kind === 'volume') set.volumes.set(volume, file);
  else set.manifest = file;
}

function formChains(sets: readonly BackupSet[]): { chains: BackupChain[]; orphaned: BackupSet[] } {
  const chains: { readonly full: BackupSet; readonly incrementals: BackupSet[] }[] = [];
  const orphaned: BackupSet[] = [];
  for (const set of [...sets].sort(byEnd)) {
    if (set.span.type === 'full') {
      chains.push({ full: set, incrementals: [] });
      continue;
    }
    const { start } = set.span;
    const fits = chains.find((chain) => {
      const last = chain.incrementals.at(-1);
      if ((last ?? chain.full).span.time === start) return true;
      // Of two incrementals with the same start the later one counts, as for duplicity.
      return last?.span.type === 'inc' && last.span.start === start && last.span.time < set.span.time;
    });
    if (fits === undefined) orphaned.push(set);
    else {
      if ((fits.incrementals.at(-1) ?? fits.full).span.time !== start) fits.incrementals.pop();
      fits.incrementals.push(set);
    }
  }
  return { chains: chains.sort((a, b) => endOf(a) - endOf(b)), orphaned };
}

/** The same with these incomplete sets taken for complete ones. */
export function takeForComplete(collection: Collection, taken: readonly BackupSet[]): Collection {
  if (taken.length === 0) return collection;
  const complete = [...collection.chains.flatMap(setsOf), ...collection.orphanedSets, ...taken];
  const { chains, orphaned } = formChains(complete);
  const incompleteSets = collection.incompleteSets.filter((set) => !taken.includes(set));
  return { ...collection, chains, orphanedSets: orphaned, incompleteSets };
}

/**
 * Incrementals' signatures count with their sets alone. A backup that was cut off between its signatures and its manifest
 * leaves signatures that begin where the next incremental's do: duplicity puts them in that one's place and finds none for it.
 */
function formSignatureChains(
  files: readonly NamedFile[],
  sets: ReadonlySet<string>,
): { chains: SignatureChain[]; orphaned: NamedFile[] } {
  const chains: { files: NamedFile[]; start: ArchiveTime; end: ArchiveTime }[] = [];
  const increments: NamedFile[] = [];
  const orphaned: NamedFile[] = [];
  for (const file of files) {
    const { span } = file.parsed;
    if (span.type === 'full') chains.push({ files: [file], start: span.time, end: span.time });
    else if (sets.has(setKey(span))) increments.push(file);
    else orphaned.push(file);
  }
  for (const file of increments.sort((a, b) => startOf(a) - startOf(b) || a.parsed.span.time - b.parsed.span.time)) {
    const chain = chains.find((candidate) => candidate.end === startOf(file));
    if (chain === undefined) orphaned.push(file);
    else {
      chain.files.push(file);
      chain.end = file.parsed.span.time;
    }
  }
  return { chains: chains.sort((a, b) => a.end - b.end), orphaned };
}

function startOf({ parsed: { span } }: NamedFile): number {
  return span.type === 'inc' ? span.start : span.time;
}

function byEnd(a: BackupSet, b: BackupSet): number {
  return a.span.time - b.span.time;
}

export function setsOf(chain: BackupChain): readonly BackupSet[] {
  return [chain.full, ...chain.incrementals];
}

export function startTimeOf(chain: BackupChain): ArchiveTime {
  return chain.full.span.time;
}

export function endOf(chain: BackupChain): ArchiveTime {
  return (chain.incrementals.at(-1) ?? chain.full).span.time;
}
