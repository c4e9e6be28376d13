/**
 * The manifest of a backup set (FORMAT.md §2): which volumes there are, the span of paths each holds, and its hashes.
 * Bytes in and out; liberal in reading (field case, blanks, unknown fields, repeated volumes of a restarted backup).
 */

import { RedupError } from '../errors.js';
import { asPath, type ByteString, type Path } from './bytes.js';

export interface VolumePosition {
  readonly path: Path;
  /** Chunk number from 1 if the block is a non-final chunk of a multi-volume member. */
  readonly chunk?: number;
}

export interface VolumeInfo {
  readonly number: number;
  readonly start: VolumePosition;
  readonly end: VolumePosition;
  /** Hash name as written (`SHA1`, …) → lower-case hex, of the stored file. */
  readonly hashes: ReadonlyMap<string, string>;
  /** Bytes of the stored file; redup's own, in a field that duplicity passes over. */
  readonly size?: number;
}

export type FileAction = 'new' | 'changed' | 'deleted';

export interface ManifestHeader {
  readonly host?: ByteString;
  readonly sourceDirectory?: ByteString;
}

export interface Manifest extends ManifestHeader {
  /** By number, ascending. */
  readonly volumes: ReadonlyMap<number, VolumeInfo>;
  /** Volumes from before a restart that came out shorter: they may still be stored, and say nothing. */
  readonly superseded?: ReadonlySet<number>;
  readonly files?: readonly ListedFile[];
}

/** Hosts and paths are quoted when they hold one of these. */
const NEEDS_QUOTING = /[\t\n\v\f\r "'\\]/;
const QUOTED_CHARS = /[\t\n\v\f\r "'\\]/g;

export function quote(bytes: ByteString): ByteString {
  if (!NEEDS_QUOTING.test(bytes)) return bytes;
  return `"${bytes.replace(QUOTED_CHARS, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)}"`;
}

export function unquote(token: ByteString): ByteString {
  if (!token.startsWith('"')) return token;
  if (token.length < 2 || !token.endsWith('"')) throw invalid(`the quoted name ${token} does not end`);
  return token.slice(1, -1).replace(/\\(x[0-9a-fA-F]{2})?/g, (whole, hex?: string) => {
    if (hex === undefined) throw invalid(`the quoted name ${token} has an unknown escape after "${whole}"`);
    return String.fromCharCode(Number.parseInt(hex.slice(1), 16));
  });
}

// ── writing ──────────────────────────────────────────────────────────────────────────────────────

export function formatHeader({ host, sourceDirectory }: ManifestHeader): ByteString {
  let text = '';
  if (host !== undefined && host !== '') text += `Hostname ${host}\n`;
  if (sourceDirectory !== undefined && sourceDirectory !== '') text += `Localdir ${quote(sourceDirectory)}\n`;
  return text;
}

export function formatVolume({ number, start, end, hashes, size }: VolumeInfo): ByteString {
  let text = `Volume ${number}:\n`;
  text += `    StartingPath   ${formatPosition(start)}\n    EndingPath     ${formatPosition(end)}\n`;
  for (const [name, hex] of hashes) text += `    Hash ${name} ${hex}\n`;
  if (size !== undefined) text += `    Size ${size}\n`;
  return text;
}

/** One line of the file list; its head line is `formatFileCount`. */
export function formatFile(action: FileAction, path: Path): ByteString {
  return `    ${action.padEnd(7)}  ${formatPath(path)}\n`;
}

export function formatFileCount(count: number): ByteString {
  return `Filelist ${count}\n`;
}

function formatPosition({ path, chunk }: VolumePosition): ByteString {
  return `${formatPath(path)} ${chunk ?? ' '}`;
}

function formatPath(path: Path): ByteString {
  return path === '' ? '.' : quote(path);
}

// ── reading ──────────────────────────────────────────────────────────────────────────────────────

/** A manifest that is in memory whole. @throws RedupError MANIFEST_INVALID */
export function parseManifest(text: ByteString, options: ManifestReadOptions = {}): Manifest {
  const reader = new ManifestReader(options);
  reader.push(text);
  return reader.finish();
}

export interface ManifestReadOptions {
  /** Keep the list of changed files, which can be as long as the backup; `'skip'` by default. */
  readonly files?: 'keep' | 'skip';
}

export interface ListedFile {
  readonly action: FileAction;
  readonly path: Path;
}

/** A path as the file list of a manifest has it. */
export function quotePath(path: Path): ByteString {
  return formatPath(path);
}

/** Reads a manifest piece by piece: its file list may be far larger than the rest. */
export class ManifestReader {
  readonly #keepFiles: boolean;
  readonly #volumes = new Map<number, VolumeInfo>();
  readonly #files: ListedFile[] = [];
  #header: ManifestHeader = {};
  #hasFiles = false;
  #inFiles = false;
  #last = 0;
  #volume: VolumeDraft | undefined;
  #rest = '';

  constructor({ files = 'skip' }: ManifestReadOptions = {}) {
    this.#keepFiles = files === 'keep';
  }

  /** @throws RedupError MANIFEST_INVALID */
  push(text: ByteString): void {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      this.#line(this.#rest + text.slice(from, end));
      this.#rest = '';
      from = end + 1;
    }
    this.#rest += text.slice(from);
    // The longest honest line is a path of some thousand bytes, each escaped.
    if (this.#rest.length > 1 << 20) throw invalid('a line does not end');
  }

  /** The listed files read since the last call, which are forgotten: the list of a large backup need never be whole. */
  takeFiles(): readonly ListedFile[] {
    return this.#files.splice(0);
  }

  /** @throws RedupError MANIFEST_INVALID */
  finish(): Manifest {
    this.#line(this.#rest);
    this.#rest = '';
    this.#finishVolume();
    // A restarted backup appends to its manifest: what lies above the last block written is from before the restart.
    const superseded = new Set([...this.#volumes.keys()].filter((n) => n > this.#last));
    for (const n of superseded) this.#volumes.delete(n);
    const volumes = new Map([...this.#volumes].sort(([a], [b]) => a - b));
    const before = superseded.size > 0 ? { superseded } : {};
    return {
      ...this.#header,
      volumes,
      ...before,
      ...(this.#hasFiles && this.#keepFiles ? { files: this.#files } : {}),
    };
  }

  #line(line: ByteString): void {
    if (this.#inFiles && !this.#keepFiles && line.startsWith('    ')) return;
    const [word = '', first, second] = line.split(/[ \t\r]+/).filter((token) => token !== '');
    if (word === '') return;
    const field = word.toLowerCase();
    const indented = line.startsWith(' ') || line.startsWith('\t');
    if (field === 'volume' && !indented) {
      this.#finishVolume();
      this.#inFiles = false;
      this.#volume = { number: parseVolumeNumber(first, line), hashes: new Map() };
    } else if (field === 'filelist' && !indented) {
      this.#finishVolume();
      this.#inFiles = true;
      this.#hasFiles = true;
    } else if (this.#inFiles) {
      if (this.#keepFiles && isAction(word) && first !== undefined) {
        this.#files.push({ action: word, path: parsePathToken(first) });
      }
    } else if (this.#volume !== undefined) {
      readVolumeField(this.#volume, field, first, second);
    } else if (field === 'hostname' && this.#header.host === undefined && first !== undefined) {
      this.#header = { ...this.#header, host: first };
    } else if (field === 'localdir' && this.#header.sourceDirectory === undefined && first !== undefined) {
      this.#header = { ...this.#header, sourceDirectory: unquote(first) };
    }
  }

  #finishVolume(): void {
    if (this.#volume === undefined) return;
    const { number } = this.#volume;
    this.#volumes.set(number, completeVolume(this.#volume));
    this.#last = number;
    this.#volume = undefined;
  }
}

interface VolumeDraft {
  readonly number: number;
  start?: VolumePosition;
  end?: VolumePosition;
  readonly hashes: Map<string, string>;
  size?: number;
}

function readVolumeField(
  draft: VolumeDraft,
  field: string,
  first: string | undefined,
  second: string | undefined,
): void {
  if (first === undefined) return;
  if (field === 'startingpath') draft.start = parsePosition(first, second);
  else if (field === 'endingpath') draft.end = parsePosition(first, second);
  else if (field === 'hash' && second !== undefined) draft.hashes.set(first, second.toLowerCase());
  else if (field === 'size' && /^\d{1,15}$/.test(first)) draft.size = Number(first);
}

function completeVolume({ number, start, end, hashes, size }: VolumeDraft): VolumeInfo {
  if (start === undefined || end === undefined) throw invalid(`volume ${number} has no StartingPath or no EndingPath`);
  return { number, start, end, hashes, ...(size === undefined ? {} : { size }) };
}

function parsePosition(pathToken: string, chunkToken: string | undefined): VolumePosition {
  const path = parsePathToken(pathToken);
  if (chunkToken === undefined) return { path };
  const chunk = Number(chunkToken);
  if (!Number.isSafeInteger(chunk) || chunk < 0) throw invalid(`"${chunkToken}" is not a block number`);
  return { path, chunk };
}

function parsePathToken(token: string): Path {
  return token === '.' ? asPath('') : asPath(unquote(token));
}

function parseVolumeNumber(token: string | undefined, line: string): number {
  const match = /^(\d{1,9}):?$/.exec(token ?? '');
  if (match === null || Number(match[1]) < 1) throw invalid(`"${line.slice(0, 80)}" does not number a volume`);
  return Number(match[1]);
}

function isAction(word: string): word is FileAction {
  return word === 'new' || word === 'changed' || word === 'deleted';
}

function invalid(what: string): RedupError {
  return new RedupError('MANIFEST_INVALID', `The manifest is damaged: ${what}`, {
    hint: 'If the copy in the archive directory is intact, delete nothing and restore from there; otherwise restore an older time.',
  });
}
