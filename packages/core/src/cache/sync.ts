/**
 * Metadata between the target and the archive directory (FORMAT.md §9): what is needed and missing here is fetched,
 * what the target no longer has is dropped here. Only what a command needs is fetched.
 */

import { closeSync, openSync, rmSync, statSync } from 'node:fs';
import { CompressError, gzip } from '@redup/compress';
import type { Storage } from '@redup/storage';
import {
  type ArchiveName,
  type Manifest,
  ManifestReader,
  type ManifestReadOptions,
  setKey,
  toText,
} from '../archive/index.js';
import { type BackupSet, type Collection, type NamedFile, setsOf } from '../collection/index.js';
import { localError, RedupError } from '../errors.js';
import { type Codec, readPieces } from '../volumes/index.js';
import { type ArchiveDirectory, writeAll } from './archive-directory.js';

export interface SyncContext {
  readonly storage: Storage;
  readonly codec: Codec;
  readonly directory: ArchiveDirectory;
  readonly signal?: AbortSignal;
}

/** The metadata file of the target, decrypted and inflated. */
export async function* readRemote(
  { storage, codec, signal }: SyncContext,
  file: NamedFile,
): AsyncGenerator<Uint8Array> {
  const stored = await storage.get(file.name, signal === undefined ? {} : { signal });
  yield* codec.read(stored, file.parsed.encoding, toText(file.name));
}

/**
 * A manifest: the local copy if there is one, else the target's, which then becomes the local copy. A copy that a power cut
 * spoiled (duplicity doesn't sync its own) is fetched again.
 */
export async function loadManifest(
  context: SyncContext,
  file: NamedFile,
  options: ManifestReadOptions = {},
): Promise<Manifest> {
  const place = context.directory.placeOf(file.parsed);
  const isLocal = hasContent(place);
  if (!isLocal) await mirror(context, file);
  try {
    return await readManifest(readPieces(place), place, options);
  } catch (error) {
    if (!isLocal || !(error instanceof RedupError) || error.code !== 'MANIFEST_INVALID') throw error;
    await mirror(context, file);
    return readManifest(readPieces(place), place, options);
  }
}

function hasContent(place: string): boolean {
  return (statSync(place, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** @param subject for messages */
export async function readManifest(
  bytes: AsyncIterable<Uint8Array>,
  subject: string,
  options: ManifestReadOptions = {},
): Promise<Manifest> {
  const reader = new ManifestReader(options);
  try {
    for await (const piece of bytes)
      reader.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length).toString('latin1'));
    return reader.finish();
  } catch (error) {
    if (!(error instanceof RedupError) || error.code !== 'MANIFEST_INVALID') throw error;
    const details = error.hint === undefined ? { subject, cause: error } : { subject, hint: error.hint, cause: error };
    throw new RedupError('MANIFEST_INVALID', `${subject}: ${error.message}`, details);
  }
}

/** Makes the local copy of a manifest or signature file. */
export async function mirror(context: SyncContext, file: NamedFile): Promise<void> {
  await writeCopy(context.directory, file.parsed, readRemote(context, file));
}

/** Writes a finished metadata file into the archive directory: manifests as they are, everything else gzipped. */
export async function writeCopy(
  directory: ArchiveDirectory,
  parsed: ArchiveName,
  plain: AsyncIterable<Uint8Array>,
): Promise<void> {
  directory.create();
  const place = directory.placeOf(parsed);
  const temporary = directory.temporary(place);
  const content = parsed.kind === 'manifest' ? plain : gzip(plain, { workers: 1 });
  let fd: number;
  try {
    fd = openSync(temporary, 'wx', 0o600);
  } catch (error) {
    throw localError('write', temporary, error);
  }
  try {
    for await (const piece of content) {
      try {
        writeAll(fd, piece);
      } catch (error) {
        throw localError('write', temporary, error);
      }
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  directory.publish(temporary, place);
}

/**
 * Signature files in order, as inflated streams of their local copies; missing ones are fetched first. A copy that turns out
 * to be damaged is dropped: the error ends this run, and the next one fetches it again.
 */
export async function localSignatures(
  context: SyncContext,
  files: readonly NamedFile[],
): Promise<{ readonly name: string; readonly bytes: AsyncIterable<Uint8Array> }[]> {
  const streams = [];
  for (const file of files) {
    const place = context.directory.placeOf(file.parsed);
    if (!hasContent(place)) await mirror(context, file);
    const copy = context.codec.read(readPieces(place), 'gzip', place);
    streams.push({ name: toText(file.name), bytes: droppedIfDamaged(copy, () => context.directory.remove(place)) });
  }
  return streams;
}

async function* droppedIfDamaged(copy: AsyncIterable<Uint8Array>, drop: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* copy;
  } catch (error) {
    if (error instanceof CompressError) drop();
    throw error;
  }
}

/**
 * Drops local copies of what the target no longer has, unless the target looks empty or wrong: then the local
 * copies may be all that is left, and somebody has to look (duplicity deletes them). Where the target has the volumes of a
 * backup but lost its manifest or signatures, the copy is what they can be stored again from.
 * @returns how many of finished backups were dropped
 * @throws RedupError REMOTE_SUSPICIOUS
 */
export function dropStaleCopies(
  directory: ArchiveDirectory,
  remote: Collection,
  options: { readonly force: boolean; onDrop?(place: string): void },
): number {
  const local = directory.collection();
  const remoteKeys = new Set(metadataFiles(remote).map(keyOf));
  const finished = metadataFiles(local);
  const unfinished = new Set(directory.partials().map(keyOf));
  for (const file of finished) {
    // Made just before a crash, while their set is not complete: they are made again when it is resumed.
    if (unfinished.has(keyOf(file)) && !remoteKeys.has(keyOf(file))) directory.remove(directory.placeOfFile(file));
  }
  const sets = new Set(setsWithVolumes(remote).map((set) => setKey(set.span)));
  const isStale = (file: NamedFile) => !remoteKeys.has(keyOf(file)) && !unfinished.has(keyOf(file));
  const stale = finished.filter((file) => isStale(file) && !sets.has(setKey(file.parsed.span)));
  if (stale.length === 0) return 0;
  if (remoteKeys.size === 0 && !options.force) {
    throw new RedupError(
      'REMOTE_SUSPICIOUS',
      `The target is empty, but ${directory.path} knows of ${finished.length} metadata files of backups there`,
      {
        subject: directory.path,
        hint: 'Check that the right disk is mounted and the URL is right. For a target that is meant to start anew, use --force or another --name.',
      },
    );
  }
  for (const file of stale) {
    const place = directory.placeOfFile(file);
    options.onDrop?.(place);
    directory.remove(place);
  }
  return stale.length;
}

/** Manifests and signatures, of complete backups and others. */
export function metadataFiles(collection: Collection): NamedFile[] {
  const sets = [...collection.chains.flatMap(setsOf), ...collection.orphanedSets, ...collection.incompleteSets];
  return [
    ...sets.flatMap((set) => (set.manifest === undefined ? [] : [set.manifest])),
    ...collection.signatureChains.flatMap((chain) => chain.files),
    ...collection.orphanedSignatures,
  ];
}

function setsWithVolumes({ chains, orphanedSets, incompleteSets }: Collection): BackupSet[] {
  return [...chains.flatMap(setsOf), ...orphanedSets, ...incompleteSets].filter((set) => set.volumes.size > 0);
}

function keyOf({ parsed }: NamedFile): string {
  return `${parsed.kind} ${setKey(parsed.span)}`;
}
