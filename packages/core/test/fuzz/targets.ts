/**
 * Fuzz targets, one for each thing that the engine parses. Each takes any bytes and must end normally or with the error
 * of its kind, and what it accepts must hold together: read whole or in pieces it is the same, written again it reads the same.
 */

import { lstatSync } from 'node:fs';
import { folderOfTarget, StorageError, schemeOf } from '@redup/storage';
import { displayUrl, parseS3Url } from '@redup/storage-s3';
import type { FuzzTarget } from '@redup/testkit/fuzz';
import {
  asPath,
  BLOCK,
  END,
  formatFile,
  formatFileCount,
  formatHeader,
  formatName,
  formatTime,
  formatVolume,
  fromText,
  type Manifest,
  ManifestReader,
  MORE,
  type Path,
  parseDiffMember,
  parseInterval,
  parseManifest,
  parseName,
  parseNameTime,
  parseSignatureMember,
  parseTime,
  setKey,
  TarStream,
} from '../../src/archive/index.js';
import { type BackupChain, collect } from '../../src/collection/index.js';
import { MergedSignatures } from '../../src/delta/index.js';
import { type ErrorCode, RedupError } from '../../src/errors.js';
import {
  compileSelection,
  entryFromStats,
  type FileSystemQuestions,
  type SelectionRule,
  type TreeEntry,
} from '../../src/tree/index.js';
import { SetReader } from '../../src/volumes/index.js';

const TIMES = ['20231114T221320Z', '2023-11-14T22:13:20+01:00', '1700000000', '.to.', '0', '99999999999999999999'];
const NAMES = [
  'duplicity-',
  'full',
  'inc',
  'new',
  '-signatures',
  '.vol',
  '.difftar',
  '.manifest',
  '.sigtar',
  '.jsonstat',
];
const ENDS = ['.part', '.gz', '.gpg', '.p', '.z', '.g', 'df.', 'dn.', 'di.', 'dfs.', 'dns.', '.st'];
const PAX = [
  'ustar\0',
  '00',
  '30 mtime=1.5\n',
  '20 size=7\n',
  'GNU.sparse.',
  'SCHILY.xattr.',
  'REDUP.stat=1 2 3 4 whole\n',
];
const FIELDS = ['Hostname ', 'Localdir ', 'Volume ', ':\n', '    StartingPath   ', '    EndingPath     ', 'Filelist '];
const MANIFEST = [...FIELDS, '    Hash SHA1 ', '"\\x20"', ' 1\n', '.', '    new  '];
const MEMBERS = ['snapshot/', 'diff/', 'deleted/', 'multivol_snapshot/', 'multivol_diff/', '/1', '/2', '/../'];

export const TARGETS: readonly FuzzTarget[] = [
  { name: 'names', words: [...NAMES, ...ENDS, ...TIMES], run: namesReadAsTheyAreWritten },
  { name: 'times', words: [...TIMES, '3D2h', 'now', 'W', 'M', 'Y', '/', '-', 'T', 'Z'], run: timesAreTimes },
  { name: 'manifest', words: MANIFEST, run: manifestsReadAsTheyAreWritten },
  { name: 'tar', words: PAX, longest: 16_384, run: tarsReadWholeOrInPieces },
  { name: 'difftar', words: [...PAX, ...MEMBERS], longest: 16_384, run: volumesReadInOrder },
  { name: 'sigtar', words: [...PAX, 'signature/', 'snapshot/', 'deleted/'], longest: 16_384, run: signaturesMerge },
  { name: 'selection', words: ['**', '*', '?', '[!', ']', '+ ', '- ', 'ignorecase:', '\\', '{', '/s/'], run: selects },
  { name: 'urls', words: ['s3://', 'file://', 'boto3+s3://', '%', '@', ':9000', '..', '?', '#'], run: urlsName },
];

/** Runs it; anything thrown but an error of these codes is a failure. @returns the code, '' when it ends well */
async function endOf(work: () => void | Promise<void>, ...codes: readonly ErrorCode[]): Promise<string> {
  try {
    await work();
    return '';
  } catch (error) {
    if (error instanceof RedupError && codes.includes(error.code)) return error.code;
    throw error;
  }
}

function same(what: string, a: unknown, b: unknown): void {
  const [one, other] = [a, b].map((value) => JSON.stringify(value));
  if (one !== other) throw new Error(`${what}: ${one} and ${other}`);
}

function bytes(input: Uint8Array): string {
  return Buffer.from(input).toString('latin1');
}

/** Lines are names of one listing. */
async function namesReadAsTheyAreWritten(input: Uint8Array): Promise<void> {
  const names = bytes(input).split('\n');
  for (const name of names) {
    const parsed = parseName(name);
    if (parsed === undefined) continue;
    if (!(parsed.span.time > 0) || parsed.volume < 0 || !Number.isSafeInteger(parsed.volume)) throw new Error(name);
    same(name, parseName(formatName(parsed)), parsed);
  }
  await endOf(() => {
    const { chains } = collect(
      names.map((name) => ({ name, size: 1 })),
      { prefixes: {} },
    );
    for (const chain of chains) standsTogether(chain);
  }, 'DUPLICATE_SET');
}

function standsTogether({ full, incrementals }: BackupChain): void {
  let end = full.span.time;
  for (const { span } of incrementals) {
    if (span.type !== 'inc' || span.start !== end || span.time <= end) throw new Error(`no chain: ${setKey(span)}`);
    end = span.time;
  }
}

async function timesAreTimes(input: Uint8Array): Promise<void> {
  const text = Buffer.from(input).toString('utf8');
  const named = parseNameTime(text);
  if (named !== undefined && parseNameTime(formatTime(named)) !== named) throw new Error(`${text} is ${named}`);
  const interval = parseInterval(text);
  if (interval !== undefined && !(interval >= 0)) throw new Error(`${text} takes ${interval}`);
  await endOf(() => {
    const time = parseTime(text, { now: 1_700_000_000, standardOffsetSeconds: 3600 });
    if (!Number.isFinite(time) && interval === undefined) throw new Error(`${text} is ${time}`);
  }, 'BAD_TIME');
}

async function manifestsReadAsTheyAreWritten(input: Uint8Array): Promise<void> {
  const text = bytes(input);
  let manifest: Manifest | undefined;
  const whole = await endOf(() => {
    manifest = parseManifest(text, { files: 'keep' });
  }, 'MANIFEST_INVALID');
  const pieces = await endOf(() => {
    const reader = new ManifestReader({ files: 'keep' });
    for (let at = 0; at < text.length; at += 7) reader.push(text.slice(at, at + 7));
    if (manifest !== undefined) same('in pieces', plain(reader.finish()), plain(manifest));
    else reader.finish();
  }, 'MANIFEST_INVALID');
  same('whole and in pieces', pieces, whole);
  if (manifest === undefined) return;
  // What one line can't hold is only ever in hosts, which no program writes so.
  const { files, host = '', superseded: _, ...rest } = manifest;
  const lines = [...manifest.volumes.values()].map(formatVolume).join('');
  const list = (files ?? []).map(({ action, path }) => formatFile(action, path)).join('');
  const again = formatHeader(manifest) + lines + (files === undefined ? '' : formatFileCount(files.length) + list);
  if (host === '' || host.trim() === host) {
    const { superseded: __, ...second } = parseManifest(again, { files: 'keep' });
    same('written again', plain(second), plain({ ...rest, ...(host === '' ? {} : { host }), ...(files && { files }) }));
  }
}

function plain({ host, sourceDirectory, volumes, files }: Manifest): unknown {
  const all = [...volumes.values()].map(({ hashes, ...volume }) => ({ ...volume, hashes: [...hashes] }));
  // An empty one is written as none.
  return [host, sourceDirectory === '' ? undefined : sourceDirectory, all, files];
}

async function* inPieces(input: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < input.length; at += size) yield input.subarray(at, at + size);
}

async function tarsReadWholeOrInPieces(input: Uint8Array): Promise<void> {
  for (const tar of [input, mended(input)]) {
    const whole = await membersOf(tar, tar.length + 1);
    same('whole and in pieces', await membersOf(tar, 97), whole);
  }
}

async function membersOf(tar: Uint8Array, pieceBytes: number): Promise<unknown[]> {
  const members: unknown[] = [];
  const stream = new TarStream(inPieces(tar, pieceBytes));
  members.push(
    await endOf(async () => {
      for (let header = stream.next(); header !== END; header = stream.next()) {
        if (header === MORE) {
          await stream.fill();
          continue;
        }
        if (!Number.isSafeInteger(header.size) || header.size < 0) throw new Error(`size ${header.size}`);
        const { records, ...rest } = header;
        members.push({ ...rest, records: [...(records ?? [])], content: (await stream.collect()).toString('hex') });
      }
    }, 'ARCHIVE_INVALID'),
  );
  return members;
}

/** Two volumes of a set. Whatever is in them, entries have paths inside the tree and content comes to an end. */
async function volumesReadInOrder(input: Uint8Array): Promise<void> {
  const cut = Math.floor(input.length / 2 / BLOCK) * BLOCK;
  for (const tar of [input, mended(input)]) {
    const volumes = [tar.subarray(0, cut), tar.subarray(cut)].map((part, index) => ({
      name: `vol${index + 1}`,
      open: async () => ({ bytes: inPieces(part, 1000), release: async () => {} }),
    }));
    await endOf(async () => {
      const reader = new SetReader({ volumes, fetchAhead: false, onDamage: () => {} });
      try {
        for (let entry = reader.next(); entry !== END; entry = reader.next()) {
          if (entry === MORE) {
            await reader.fill();
            continue;
          }
          insideTheTree(entry.path);
          for (let piece = reader.data(); piece !== END; piece = reader.data()) if (piece === MORE) await reader.fill();
        }
      } finally {
        await reader.close();
      }
    }, 'ARCHIVE_INVALID');
  }
  await endOf(() => insideTheTree(parseDiffMember(bytes(input)).path), 'ARCHIVE_INVALID');
}

function insideTheTree(path: string): void {
  const components = path === '' ? [] : path.split('/');
  if (components.some((name) => name === '' || name === '.' || name === '..' || name.includes('\0')))
    throw new Error(`leads elsewhere: ${JSON.stringify(path)}`);
}

/** A full set's signatures and those of an incremental. What comes out is in order, each path once. */
async function signaturesMerge(input: Uint8Array): Promise<void> {
  const cut = Math.floor(input.length / 2 / BLOCK) * BLOCK;
  const end = new Uint8Array(2 * BLOCK);
  for (const tar of [input, mended(input)]) {
    const files = [tar.subarray(0, cut), tar.subarray(cut)].map((part, index) => ({
      name: `sigtar${index}`,
      bytes: inPieces(Buffer.concat([part, end]), 1000),
    }));
    await endOf(async () => {
      const merged = new MergedSignatures(files);
      try {
        const seen = new Set<string>();
        for (let entry = merged.next(); entry !== END; entry = merged.next()) {
          if (entry === MORE) {
            await merged.fill();
            continue;
          }
          insideTheTree(entry.path);
          if (seen.has(entry.path)) throw new Error(`twice: ${JSON.stringify(entry.path)}`);
          seen.add(entry.path);
          if (entry.kind === 'signature') await merged.readSignature();
        }
      } finally {
        await merged.close();
      }
    }, 'SIGNATURE_DAMAGED');
  }
  await endOf(() => insideTheTree(parseSignatureMember(bytes(input)).path), 'ARCHIVE_INVALID');
}

/** Chance never finds the checksum of a header, so every block that could be one gets the right one. */
function mended(input: Uint8Array): Uint8Array {
  const tar = Buffer.from(input);
  for (let at = 0; at + BLOCK <= tar.length; at += BLOCK) {
    if (tar.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    tar.fill(0x20, at + 148, at + 156);
    let sum = 0;
    for (const byte of tar.subarray(at, at + BLOCK)) sum += byte;
    tar.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
  return tar;
}

const QUESTIONS: FileSystemQuestions = { contains: () => false, rootDevice: () => 1 };
const PATHS = ['', 'a', 'a/b', 'a/b.txt', 'A', '.git', 'x y', '\xff', '[a]', 'zo\xc3\xab', `${'n/'.repeat(20)}n`].map(
  asPath,
);

const STATS = lstatSync('/');

function entryAt(path: Path): TreeEntry {
  return entryFromStats(path, STATS, 'directory', '');
}

/** The first byte says what kind of rule the rest is. */
async function selects(input: Uint8Array): Promise<void> {
  const [kind = 0] = input;
  const text = Buffer.from(input.subarray(1)).toString('utf8');
  const rules: SelectionRule[] = [
    { kind: 'filter', mode: (['globbing', 'literal', 'regexp'] as const)[kind % 3] ?? 'globbing' },
    { kind: 'filter-case', ignoreCase: (kind & 8) !== 0 },
    ...(['filelist', 'pattern', 'files-from', 'regexp'] as const)
      .slice((kind >> 4) & 3, 1 + ((kind >> 4) & 3))
      .map((rule): SelectionRule => {
        const action = (kind & 4) === 0 ? 'include' : 'exclude';
        if (rule === 'filelist') return { kind: rule, action, content: text, name: 'list' };
        return rule === 'files-from'
          ? { kind: rule, content: text, name: 'list' }
          : { kind: rule, action, pattern: text };
      }),
    { kind: 'pattern', action: 'exclude', pattern: '/s/**' },
  ];
  await endOf(() => {
    const separator = (kind & 128) === 0 ? 'newline' : 'nul';
    const selection = compileSelection(rules, { root: fromText('/s'), questions: QUESTIONS, separator });
    for (const path of PATHS) selection(entryAt(path));
  }, 'BAD_PATTERN');
}

function urlsName(input: Uint8Array): void {
  const url = Buffer.from(input).toString('utf8');
  schemeOf(url);
  refusedAsUrl(() => {
    const folder = folderOfTarget(url);
    if (folder === '' || folder.includes('\0')) throw new Error(`${JSON.stringify(folder)} is no folder`);
  });
  refusedAsUrl(() => {
    const location = parseS3Url(url);
    // A slash may be written as %2F, so the prefix need not come back as it was; it stays in its bucket.
    const shown = parseS3Url(displayUrl(location));
    // What is shown of a bucket whose name could be a host's is read as that host.
    if (shown.host === undefined) same(url, shown.bucket, location.bucket);
  });
}

function refusedAsUrl(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'bad-url')) throw error;
    if (/undefined|\[object/.test(error.message)) throw error;
  }
}
