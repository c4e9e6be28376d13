/**
 * Volumes on their way to a storage behind a network: what is sealed and not yet known to be stored, noted here before its upload
 * begins. A run that is killed may have stored such a volume without having heard of it. Sealed again it would be
 * other bytes (encryption never makes the same twice) under a name that is taken; so the next run stores the very file that was
 * kept, which a storage recognises as what it has: nothing is overwritten, and no right to is needed.
 *
 * The note is redup's own, beside duplicity's partial files: one JSON value a line; a last line that a crash cut off does not count.
 */

import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import type { StoredObject } from '@redup/storage';
import { type ByteString, formatTime, type SetSpan, setKey, type VolumeInfo } from '../archive/index.js';
import { localError } from '../errors.js';
import { readPieces, type SealedFile } from '../volumes/index.js';
import type { Workspace } from './workspace.js';

/** A volume whose file still lies here. */
export interface SealedVolume {
  readonly info: VolumeInfo;
  /** Its name in the target. */
  readonly name: ByteString;
  readonly file: SealedFile;
}

/** What the storage said of a stored volume. */
export type StoredMark = Pick<StoredObject, 'size' | 'tag'>;

/** The signatures of a set whose volumes are all stored. */
export interface SealedSignatures {
  /** What they were sealed from. */
  readonly plainSha256: string;
  readonly file: SealedFile;
}

/** What a killed run noted. */
export interface SealedNotes {
  readonly signatures: SealedSignatures | undefined;
  readonly sealed: ReadonlyMap<number, SealedVolume>;
  readonly stored: ReadonlyMap<number, StoredMark>;
}

const PREFIX = 'redup-sealed-';
const FOLDER_PREFIX = 'redup-volumes-';

type Line =
  | { readonly span: string; readonly folder: string }
  | { readonly sealed: SerialisedVolume }
  | { readonly signatures: SealedSignatures }
  | ({ readonly stored: number } & StoredMark);

interface SerialisedVolume extends Omit<VolumeInfo, 'hashes'> {
  readonly hashes: readonly (readonly [string, string])[];
  readonly name: ByteString;
  readonly file: SealedFile;
}

/** The writing side, of the run that goes on now. */
export class SealedVolumes {
  readonly #workspace: Workspace;
  readonly #place: string;
  readonly #span: SetSpan;
  #folder: string | undefined;
  #fd: number | undefined;
  /** Number of a volume → name of its file, which is not known to be stored; 0 for the signatures. */
  readonly #unconfirmed = new Map<number, string>();

  constructor(workspace: Workspace, span: SetSpan) {
    this.#workspace = workspace;
    this.#span = span;
    this.#place = placeOf(workspace, span);
  }

  /** Where a file is built: in a private folder that outlives a run which doesn't complete its set. */
  place(name: string): string {
    return join(this.#ownFolder(), `${process.pid}-${this.#span.time}-${name}`);
  }

  #ownFolder(): string {
    if (this.#folder === undefined) {
      const parent = this.#workspace.temporaryParent;
      try {
        this.#folder = mkdtempSync(join(parent, FOLDER_PREFIX));
      } catch (error) {
        throw localError('create a temporary folder in', parent, error);
      }
      this.#write({ span: setKey(this.#span), folder: this.#folder });
    }
    return this.#folder;
  }

  /** To be called before its upload, in the order of the volumes. */
  noteSealed({ info, name, file }: SealedVolume): void {
    const { hashes, ...rest } = info;
    const { number } = info;
    this.#write({ sealed: { ...rest, hashes: [...hashes], name, file } });
    this.#unconfirmed.set(number, basename(file.path));
  }

  /** To be called before they are stored. */
  noteSignatures(signatures: SealedSignatures): void {
    this.#write({ signatures });
    this.#unconfirmed.set(0, basename(signatures.file.path));
  }

  noteStored(number: number, { size, tag }: StoredMark): void {
    this.#write({ stored: number, size, ...(tag === undefined ? {} : { tag }) });
    this.#unconfirmed.delete(number);
  }

  /** The set is complete, or nothing of it is to be kept. */
  forget(): void {
    this.#unconfirmed.clear();
    this.close();
    forgetNote(this.#place);
  }

  /** Of a run that fails nothing stays on disk but what may be stored without its knowledge. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    if (this.#folder !== undefined) removeFolder(this.#folder, new Set(this.#unconfirmed.values()));
  }

  #write(line: Line): void {
    try {
      this.#fd ??= openSync(this.#place, 'a', 0o600);
      writeSync(this.#fd, `${JSON.stringify(line)}\n`);
      fsyncSync(this.#fd);
    } catch (error) {
      throw localError('write', this.#place, error);
    }
  }
}

/** What a killed run noted of a set; empty when there is no note. */
export function readSealedNotes(workspace: Workspace, span: SetSpan): SealedNotes {
  const sealed = new Map<number, SealedVolume>();
  const stored = new Map<number, StoredMark>();
  let signatures: SealedSignatures | undefined;
  for (const line of linesOf(placeOf(workspace, span))) {
    if ('signatures' in line) signatures = line.signatures;
    else if ('stored' in line) stored.set(line.stored, line);
    else if ('sealed' in line) {
      const { name, file, hashes, ...rest } = line.sealed;
      sealed.set(rest.number, { info: { ...rest, hashes: new Map(hashes) }, name, file });
    }
  }
  return { sealed, stored, signatures };
}

/** Removes the notes, and the files they name, of all sets but one. */
export function forgetSealed(workspace: Workspace, except: SetSpan | undefined): void {
  const kept = except === undefined ? undefined : placeOf(workspace, except);
  for (const { name } of workspace.directory.list()) {
    const place = join(workspace.directory.path, name);
    if (name.startsWith(PREFIX) && place !== kept) forgetNote(place);
  }
}

/** Whether a sealed file is here, whole. */
export async function isIntact({ path, sha256 }: SealedFile): Promise<boolean> {
  return (await sha256Of(path).catch(() => undefined)) === sha256;
}

/** Of a local file, in hex. */
export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of readPieces(path)) hash.update(piece);
  return hash.digest('hex');
}

function placeOf(workspace: Workspace, span: SetSpan): string {
  const start = span.type === 'inc' ? `${formatTime(span.start)}-` : '';
  return join(workspace.directory.path, `${PREFIX}${start}${formatTime(span.time)}`);
}

/** The folders are those this module made: nothing else is removed, whatever the note says. */
function forgetNote(place: string): void {
  for (const line of linesOf(place)) {
    if ('folder' in line && FOLDER_NAME.test(line.folder)) removeFolder(line.folder);
  }
  rmSync(place, { force: true });
}

const FOLDER_NAME = /\/redup-volumes-[A-Za-z0-9]{6}$/;

function removeFolder(folder: string, except: ReadonlySet<string> = new Set()): void {
  try {
    const names = readdirSync(folder);
    for (const name of names) if (!except.has(name)) rmSync(join(folder, name), { force: true });
    if (!names.some((name) => except.has(name))) rmdirSync(folder);
  } catch {
    // Gone with a restart of the machine, or not ours any more: it harms nobody.
  }
}

function linesOf(place: string): Line[] {
  let text: string;
  try {
    text = readFileSync(place, 'utf8');
  } catch {
    return [];
  }
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .flatMap((line): Line[] => {
      try {
        return line === '' ? [] : [JSON.parse(line) as Line];
      } catch {
        return []; // a disk that lost its last writes
      }
    });
}
