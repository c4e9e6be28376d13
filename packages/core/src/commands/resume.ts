/**
 * What an interrupted backup left, and whether the next one can go on from there.
 *
 * The partial manifest names the volumes that are safely stored, the partial signature file describes what is in them.
 * Everything up to the end of the last kept volume is done: it is neither read nor stored again, whatever has become
 * of it meanwhile; the next incremental will see. Only a file that is cut by that end has to be the same still.
 */

import { lstatSync, rmSync } from 'node:fs';
import {
  asPath,
  type ByteString,
  END,
  type Encoding,
  type FileFacts,
  factsFromHeader,
  type Manifest,
  MORE,
  type Path,
  parseName,
  parseSignatureMember,
  type SetSpan,
  setKey,
  type TarHeader,
  TarStream,
  type VolumeInfo,
  type VolumePosition,
} from '../archive/index.js';
import { readManifest } from '../cache/index.js';
import { type BackupChain, type Collection, endOf, type NamedFile, setsOf } from '../collection/index.js';
import { RedupError } from '../errors.js';
import { comparePaths, entryFromStats } from '../tree/index.js';
import { readPieces } from '../volumes/index.js';
import {
  forgetSealed,
  isIntact,
  readSealedNotes,
  type SealedSignatures,
  type SealedVolume,
  type StoredMark,
} from './sealed-volumes.js';
import type { Workspace } from './workspace.js';

export interface ResumePlan {
  readonly span: SetSpan;
  /** Volumes that stay as they are, from number 1. Never empty. */
  readonly kept: readonly [VolumeInfo, ...VolumeInfo[]];
  /** The last of them, of which nobody knows whether they are stored; their files are here. */
  readonly sealed: readonly SealedVolume[];
  /** What the interrupted run sealed of the set's signatures, if it came that far. */
  readonly signatures: SealedSignatures | undefined;
  /** What the target has beyond the kept ones. */
  readonly beyond: readonly NamedFile[];
  /** The last block in them. */
  readonly boundary: VolumePosition;
  /** The partial signature file to take over from. */
  readonly signaturePart: string;
}

export interface ResumeContext {
  readonly host: ByteString;
  readonly sourceDirectory: ByteString;
  /** Place of the source on disk; without one nothing can be resumed. */
  readonly root: ByteString | undefined;
}

/** Removes what belongs to finished sets, and finds what the last interrupted backup left to go on from. */
export async function findResumable(
  workspace: Workspace,
  remote: Collection,
  context: ResumeContext,
): Promise<ResumePlan | undefined> {
  const { directory } = workspace;
  const partials = directory.partials();
  const complete = new Set(remote.chains.flatMap(setsOf).map((set) => setKey(set.span)));
  let found: ResumePlan | undefined;
  for (const manifest of partials.filter((file) => file.parsed.kind === 'manifest')) {
    const { span } = manifest.parsed;
    const signatures = partials.find(
      (file) => file.parsed.kind === 'signatures' && setKey(file.parsed.span) === setKey(span),
    );
    if (!complete.has(setKey(span)) && signatures !== undefined && continues(span, remote.chains.at(-1))) {
      found = await planResume(workspace, remote, span, manifest, signatures, context);
    }
  }
  for (const file of partials) {
    if (found === undefined || setKey(file.parsed.span) !== setKey(found.span))
      rmSync(directory.placeOfFile(file), { force: true });
  }
  forgetSealed(workspace, found?.span);
  return found;
}

function continues(span: SetSpan, last: BackupChain | undefined): boolean {
  if (last === undefined) return span.type === 'full';
  return span.type === 'full' ? span.time > endOf(last) : span.start === endOf(last);
}

async function planResume(
  workspace: Workspace,
  remote: Collection,
  span: SetSpan,
  manifestPart: NamedFile,
  signaturePart: NamedFile,
  context: ResumeContext,
): Promise<ResumePlan | undefined> {
  const { root } = context;
  if (root === undefined) return undefined;
  const manifest = await readPart(workspace, manifestPart);
  const stored = remote.incompleteSets.find((set) => setKey(set.span) === setKey(span))?.volumes;
  if (manifest === undefined || stored === undefined) return undefined;
  if (manifest.host !== context.host || manifest.sourceDirectory !== context.sourceDirectory) return undefined;
  const notes = readSealedNotes(workspace, span);
  const kept: VolumeInfo[] = [];
  for (let number = 1; isAsNoted(stored.get(number), notes.stored.get(number), workspace.encoding); number++) {
    const info = manifest.volumes.get(number);
    if (info === undefined) break;
    kept.push(info);
  }
  // duplicity names a volume before it is uploaded, so its last one may be cut off; redup's hash line tells that it isn't.
  if (kept.at(-1)?.hashes.has('SHA256') === false) kept.pop();
  const sealed: SealedVolume[] = [];
  for (let number = kept.length + 1; ; number++) {
    const volume = notes.sealed.get(number);
    if (volume === undefined || !(await isUsable(workspace, volume))) break;
    sealed.push(volume);
    kept.push(volume.info);
  }
  const place = workspace.directory.placeOfFile(signaturePart);
  await dropUnlessUnchanged(kept, place, root);
  const [first, ...rest] = kept;
  if (first === undefined) return undefined;
  const { end } = rest.at(-1) ?? first;
  return {
    span,
    kept: [first, ...rest],
    sealed: sealed.filter(({ info }) => info.number <= kept.length),
    signatures: notes.signatures,
    beyond: [...stored.values()].filter((file) => file.parsed.volume > kept.length),
    boundary: end,
    signaturePart: place,
  };
}

/** Whether the target still has a volume as it was stored, as far as that was noted. */
function isAsNoted(file: NamedFile | undefined, mark: StoredMark | undefined, encoding: Encoding): boolean {
  if (file?.parsed.encoding !== encoding) return false;
  if (mark === undefined) return true;
  const sameSize = file.size < 0 || mark.size < 0 || file.size === mark.size;
  return sameSize && (file.tag === undefined || mark.tag === undefined || file.tag === mark.tag);
}

async function isUsable(workspace: Workspace, { name, file }: SealedVolume): Promise<boolean> {
  return parseName(name, workspace.prefixes)?.encoding === workspace.encoding && (await isIntact(file));
}

async function readPart(workspace: Workspace, file: NamedFile): Promise<Manifest | undefined> {
  const place = workspace.directory.placeOfFile(file);
  try {
    return await readManifest(readPieces(place), place);
  } catch (error) {
    if (error instanceof RedupError && error.code === 'MANIFEST_INVALID') return undefined; // cut off by the crash
    throw error;
  }
}

/**
 * A file that the last kept volume cuts must be the same as when its first part was stored; otherwise
 * the volumes go back to before it, and it is stored whole again.
 */
async function dropUnlessUnchanged(kept: VolumeInfo[], signaturePart: string, root: ByteString): Promise<void> {
  const last = kept.at(-1);
  if (last?.end.chunk === undefined) return;
  const { path } = last.end;
  const ours = last.hashes.has('SHA256');
  if (ours && isUnchanged(root, path, await factsInPart(signaturePart, path))) return;
  while (kept.at(-1)?.end.path === path && kept.at(-1)?.end.chunk !== undefined) kept.pop();
}

function isUnchanged(root: ByteString, path: Path, facts: FileFacts | undefined): boolean {
  if (facts === undefined) return false;
  try {
    const stats = lstatSync(Buffer.from(path === '' ? root : `${root}/${path}`, 'latin1'));
    if (!stats.isFile()) return false;
    const now = entryFromStats(path, stats, 'file', '');
    return (
      now.size === facts.size &&
      now.mtimeUs === facts.mtimeUs &&
      now.ctimeUs === facts.ctimeUs &&
      now.inode === facts.inode
    );
  } catch {
    return false; // gone: it cannot be continued
  }
}

async function factsInPart(signaturePart: string, path: Path): Promise<FileFacts | undefined> {
  for await (const { header, path: found } of partialEntries(signaturePart)) {
    if (found === path) return factsFromHeader(header);
  }
  return undefined;
}

export interface PartialEntry {
  readonly path: Path;
  readonly header: TarHeader;
  /** All of the entry's content; to be called before the next step. */
  content(): Promise<Buffer>;
}

/** The entries of a partial signature file. It ends where the crash cut it, which is no error. */
export async function* partialEntries(place: string): AsyncGenerator<PartialEntry, void, undefined> {
  const stream = new TarStream(readPieces(place));
  try {
    for (;;) {
      const header = stream.next();
      if (header === END) return;
      if (header === MORE) {
        await stream.fill();
        continue;
      }
      const { path } = parseSignatureMember(header.name);
      yield { path: asPath(path), header, content: () => stream.collect() };
    }
  } catch (error) {
    if (!(error instanceof RedupError && error.code === 'ARCHIVE_INVALID')) throw error;
  } finally {
    await stream.close();
  }
}

/** Whether a path was stored completely before the boundary. */
export function isDone(path: Path, boundary: VolumePosition): boolean {
  const order = comparePaths(path, boundary.path);
  return order < 0 || (order === 0 && boundary.chunk === undefined);
}
