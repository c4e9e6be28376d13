/**
 * The files of a target or of an archive directory, told apart by their names (FORMAT.md §1, long names), for
 * tests that ask which sets lie there, not what is in them. Written apart from the engine's parser, so that one
 * can check the other.
 */

import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

export interface ArchiveFile {
  readonly name: string;
  readonly kind: 'full' | 'incremental';
  readonly role: 'volume' | 'manifest' | 'signatures' | 'statistics';
  /** Seconds since 1970; of a full set, its one time. */
  readonly start: number;
  readonly end: number;
  /** Of volumes, from 1. */
  readonly volume?: number;
  /** Of a backup that was interrupted; local only. */
  readonly partial: boolean;
  readonly suffix: '' | '.gz' | '.gpg';
  readonly size: number;
}

export interface ArchiveSet {
  readonly kind: ArchiveFile['kind'];
  readonly start: number;
  readonly end: number;
  /** Numbers of the volumes that are there, ascending. */
  readonly volumes: readonly number[];
  readonly hasManifest: boolean;
  readonly hasSignatures: boolean;
}

/** The duplicity files in a directory, in the order of their names. Others are left out. */
export function listArchive(directory: string): ArchiveFile[] {
  return fs
    .readdirSync(directory)
    .sort()
    .flatMap((name) => parseName(name) ?? [])
    .map((parsed) => ({ ...parsed, size: fs.statSync(path.join(directory, parsed.name)).size }));
}

/** The sets in a directory, by time. */
export function archiveSets(directory: string): ArchiveSet[] {
  const sets = new Map<string, ArchiveFile[]>();
  for (const file of listArchive(directory)) {
    const key = `${file.kind} ${file.start} ${file.end}`;
    sets.set(key, [...(sets.get(key) ?? []), file]);
  }
  return [...sets.values()]
    .flatMap((files) => (files[0] === undefined ? [] : [describe(files[0], files)]))
    .sort((a, b) => a.end - b.end);
}

/** SHA-256 of every file of a directory by name: tells what a command changed, made or removed there. */
export function hashFiles(directory: string): Map<string, string> {
  const files = fs.readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files
      .map(({ name }) => name)
      .sort()
      .map((name) => [
        name,
        createHash('sha256')
          .update(fs.readFileSync(path.join(directory, name)))
          .digest('hex'),
      ]),
  );
}

/** Flips one bit of a file: by default the lowest of the byte in the middle. */
export function flipBit(file: string, offset = Math.floor(fs.statSync(file).size / 2)): void {
  const bytes = fs.readFileSync(file);
  const byte = bytes[offset];
  if (byte === undefined) throw new RangeError(`${file} has no byte ${offset}`);
  bytes[offset] = byte ^ 1;
  fs.writeFileSync(file, bytes);
}

/** Cuts a file to its first `size` bytes; by default to half. */
export function truncateFile(file: string, size = Math.floor(fs.statSync(file).size / 2)): void {
  fs.truncateSync(file, size);
}

const TIME = String.raw`\d{8}T\d{6}Z`;
const NAME = new RegExp(
  [
    String.raw`duplicity-(?:(?<full>full)(?:-signatures)?\.(?<at>${TIME})|(?:inc|new-signatures)\.(?<start>${TIME})\.to\.(?<end>${TIME}))`,
    String.raw`\.(?:vol(?<volume>\d+)\.difftar|(?<role>manifest|sigtar|jsonstat))(?<partial>\.part)?(?<suffix>\.gz|\.gpg)?$`,
  ].join(''),
);

const ROLES: Readonly<Record<string, ArchiveFile['role']>> = {
  manifest: 'manifest',
  sigtar: 'signatures',
  jsonstat: 'statistics',
};

function parseName(name: string): Omit<ArchiveFile, 'size'> | undefined {
  const { full, at, start = at, end = at, volume, role, partial, suffix } = NAME.exec(name)?.groups ?? {};
  if (start === undefined || end === undefined) return undefined;
  return {
    name,
    kind: full === undefined ? 'incremental' : 'full',
    role: ROLES[role ?? ''] ?? 'volume',
    start: seconds(start),
    end: seconds(end),
    ...(volume === undefined ? {} : { volume: Number(volume) }),
    partial: partial !== undefined,
    suffix: suffix === '.gz' || suffix === '.gpg' ? suffix : '',
  };
}

function seconds(time: string): number {
  return Date.parse(time.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z')) / 1000;
}

function describe({ kind, start, end }: ArchiveFile, files: readonly ArchiveFile[]): ArchiveSet {
  const numbers = files.flatMap(({ volume }) => volume ?? []);
  return {
    kind,
    start,
    end,
    volumes: numbers.sort((a, b) => a - b),
    hasManifest: files.some(({ role, partial }) => role === 'manifest' && !partial),
    hasSignatures: files.some(({ role, partial }) => role === 'signatures' && !partial),
  };
}
