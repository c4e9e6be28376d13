/**
 * A backup set while it is made: its files in the target, its partial state here, and the order of effects that makes
 * a crash at any point leave either the old state or a resumable one:
 * volumes · local copies · signatures · manifest (only then does the set exist) · partial files removed.
 */

import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { isStorageError, type PutOptions, type StoredObject } from '@redup/storage';
import {
  type ArchiveName,
  type FileAction,
  formatFile,
  formatFileCount,
  formatHeader,
  formatName,
  formatVolume,
  type ManifestHeader,
  type ObjectKind,
  type Path,
  type SetSpan,
  toText,
  type VolumeInfo,
} from '../archive/index.js';
import { writeCopy } from '../cache/index.js';
import { SignatureWriter } from '../delta/index.js';
import { localError, RedupError } from '../errors.js';
import { type BeginOptions, readPieces, type SealedFile, Sealer } from '../volumes/index.js';
import { LineSpool } from './line-spool.js';
import type { SetPlan } from './plan-set.js';
import { isDone, partialEntries, type ResumePlan } from './resume.js';
import { sealFile } from './seal-file.js';
import { isIntact, SealedVolumes, type StoredMark, sha256Of } from './sealed-volumes.js';
import type { Workspace } from './workspace.js';

/** Share of a volume's bytes after which the next volume's upload begins. */
const MOSTLY_SENT = 0.75;

export class RunningSet {
  readonly #workspace: Workspace;
  readonly #span: SetSpan;
  readonly #resume: ResumePlan | undefined;
  readonly #header: ManifestHeader;
  /** Fires when the caller's does, and when the run fails: then nothing is stored behind its back any more. */
  readonly #signal: AbortSignal;
  readonly #stop = new AbortController();
  readonly #puts = new Set<Promise<StoredObject>>();
  readonly sealer: Sealer;
  /** Undefined where storing is renaming: nothing is ever on its way. */
  readonly #onTheWay: SealedVolumes | undefined;
  readonly #marks = new Map<number, StoredMark>();
  /** The file list can be as long as the tree, so it waits on disk. */
  readonly #files: LineSpool;
  #manifestFd: number | undefined;
  #signatures: SignatureWriter | undefined;
  /** Where they are written until a further volume is stored. */
  #signatureTemporary: string | undefined;
  storedBytes = 0;

  /** @param resume of an interrupted backup that this set goes on with */
  constructor(
    workspace: Workspace,
    plan: Pick<SetPlan, 'span' | 'resume'>,
    header: ManifestHeader,
    signal: AbortSignal | undefined,
  ) {
    const { span, resume } = plan;
    this.#workspace = workspace;
    this.#resume = resume;
    this.#span = span;
    this.#header = header;
    this.#signal = signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
    this.sealer = new Sealer({
      encoding: workspace.encoding,
      createSeal: (options) => workspace.codec.createSeal(options),
      compressionLevel: workspace.compressionLevel,
      time: span.time,
      ...this.#workers,
    });
    this.#files = new LineSpool(join(workspace.temporaryFolder(), 'files'));
    if (workspace.storage.stagingDirectory === undefined) this.#onTheWay = new SealedVolumes(workspace, span);
  }

  get #workers(): { readonly workers?: number } {
    const { workers } = this.#workspace.options;
    return workers === undefined ? {} : { workers };
  }

  /** The signature file of this set. When an interrupted set goes on, the old one stays until a further volume is stored. */
  openSignatures(): SignatureWriter {
    const part = this.#signaturePartPath;
    if (this.#resume !== undefined) this.#signatureTemporary = this.#workspace.directory.temporary(part);
    this.#signatures = new SignatureWriter(this.#signatureTemporary ?? part);
    return this.#signatures;
  }

  /** Takes over what an interrupted run described already: everything before the end of its last kept volume. */
  async takeOver(): Promise<void> {
    const resume = this.#resume;
    if (resume === undefined) return;
    const confirmed = resume.kept.slice(0, resume.kept.length - resume.sealed.length);
    this.#workspace.directory.writeFile(
      this.#manifestPartPath,
      formatHeader(this.#header) + confirmed.map(formatVolume).join(''),
    );
    for await (const { path, header, content } of partialEntries(resume.signaturePart)) {
      if (!isDone(path, resume.boundary)) break;
      this.#signatures?.entry(header, header.size === 0 ? undefined : await content());
    }
    for (const { info, file } of resume.sealed) {
      await this.storeVolume(info, file);
      this.volumeStored(info, file, 0);
      rmSync(file.path, { force: true });
    }
  }

  get #signaturePartPath(): string {
    return this.#workspace.directory.placeOf(this.#name('signatures', { partial: true }));
  }

  get #manifestPartPath(): string {
    return this.#workspace.directory.placeOf(this.#name('manifest', { partial: true }));
  }

  /** @param volume 0 for what is no volume */
  stagingPath(volume: number): string {
    if (volume > 0 && this.#onTheWay !== undefined) return this.#onTheWay.place(`vol${volume}`);
    const folder = this.#workspace.storage.stagingDirectory ?? this.#workspace.temporaryFolder();
    return join(folder, `${process.pid}-${this.#span.time}-vol${volume}`);
  }

  /** @param makeRoom called when most of it is sent, so that the next volume may begin */
  async storeVolume(info: VolumeInfo, file: SealedFile, makeRoom?: () => void): Promise<void> {
    this.#stop.signal.throwIfAborted();
    const name = this.#name('volume', { volume: info.number });
    if (this.#onTheWay !== undefined) {
      // What is in the volume is described on disk before the note of it.
      this.#signatures?.sync();
      this.#onTheWay.noteSealed({ info, name: formatName(name, this.#workspace.prefixes), file });
    }
    const onProgress = (sent: number): void => {
      if (sent >= file.size * MOSTLY_SENT) makeRoom?.();
    };
    this.#marks.set(info.number, await this.#putOver(name, file, onProgress));
  }

  /**
   * A volume is safe in the target: only now does the partial manifest name it.
   * @param sourceBytes how much of the source was read by now
   */
  volumeStored(info: VolumeInfo, file: SealedFile, sourceBytes: number): void {
    const path = this.#manifestPartPath;
    // What is in the volume is described on disk before the volume is named.
    this.#signatures?.sync();
    this.#signatures?.rename(this.#signaturePartPath);
    try {
      if (this.#manifestFd === undefined) {
        if (this.#resume === undefined) this.#workspace.directory.writeFile(path, formatHeader(this.#header));
        this.#manifestFd = openSync(path, 'a', 0o600);
      }
      writeSync(this.#manifestFd, Buffer.from(formatVolume(info), 'latin1'));
      fsyncSync(this.#manifestFd);
    } catch (error) {
      throw localError('write', path, error);
    }
    const mark = this.#marks.get(info.number);
    if (mark !== undefined) this.#onTheWay?.noteStored(info.number, mark);
    this.#marks.delete(info.number);
    this.storedBytes += file.size;
    const name = toText(formatName(this.#name('volume', { volume: info.number }), this.#workspace.prefixes));
    this.#workspace.emit({
      type: 'volume',
      action: 'stored',
      name,
      number: info.number,
      bytes: file.size,
      sourceBytes,
    });
  }

  listFile(action: FileAction, path: Path): void {
    this.#files.add(formatFile(action, path));
  }

  /**
   * Completes the set: after this returns, the backup exists.
   * @throws CannotResume
   */
  async complete(options: { readonly listFiles: boolean; readonly volumes: number }): Promise<void> {
    const { directory } = this.#workspace;
    this.#signatures?.finish();
    this.#signatures?.rename(this.#signaturePartPath);
    const manifest = this.#writeManifest(options);
    this.#workspace.phase('signatures');
    const signatures = await this.#sealSignatures();
    directory.publish(manifest, directory.placeOf(this.#name('manifest')));
    await this.#removeSurplus(options.volumes);
    await this.#putOver(this.#name('signatures'), signatures);
    this.#workspace.phase('manifest');
    const local = directory.placeOf(this.#name('manifest'));
    const encoding = this.#workspace.metadataEncoding;
    const sealed = await this.#seal(local, this.sealer, this.stagingPath(0), { encoding });
    await this.#put(this.#name('manifest'), sealed);
    this.#removePartials();
  }

  /** Stores a text beside the set, which exists by now, and a copy of it here. */
  async storeStatistics(text: string): Promise<void> {
    const path = join(this.#workspace.temporaryFolder(), 'statistics');
    try {
      writeFileSync(path, text);
    } catch (error) {
      throw localError('write the temporary file', path, error);
    }
    const name = this.#name('statistics');
    await writeCopy(this.#workspace.directory, name, readPieces(path));
    await this.#put(name, await this.#seal(path, this.sealer, this.stagingPath(0)));
  }

  /** Forgets the set: nothing of it is to be kept, here or (if it never came that far) in the target. */
  discard(): void {
    this.#removePartials();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#puts);
    await this.sealer.close();
    this.#onTheWay?.close();
    this.#signatures?.close();
    if (this.#signatureTemporary !== undefined) rmSync(this.#signatureTemporary, { force: true });
    this.#files.close();
    if (this.#manifestFd !== undefined) closeSync(this.#manifestFd);
    this.#manifestFd = undefined;
  }

  #removePartials(): void {
    if (this.#manifestFd !== undefined) closeSync(this.#manifestFd);
    this.#manifestFd = undefined;
    rmSync(this.#manifestPartPath, { force: true });
    rmSync(this.#signaturePartPath, { force: true });
    this.#onTheWay?.forget();
  }

  #name(kind: ObjectKind, options: { readonly volume?: number; readonly partial?: boolean } = {}): ArchiveName {
    const encoding = kind === 'manifest' ? this.#workspace.metadataEncoding : this.#workspace.encoding;
    return { kind, span: this.#span, volume: options.volume ?? 0, encoding, partial: options.partial ?? false };
  }

  #writeManifest({ listFiles }: { readonly listFiles: boolean }): string {
    const { directory } = this.#workspace;
    const path = directory.temporary(directory.placeOf(this.#name('manifest')));
    try {
      const fd = openSync(path, 'w', 0o600);
      try {
        // As long as the number of volumes, not of files.
        writeSync(fd, readFileSync(this.#manifestPartPath));
        writeSync(fd, Buffer.from(formatFileCount(listFiles ? this.#files.count : 0), 'latin1'));
        if (listFiles) this.#files.copyTo(fd);
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      rmSync(path, { force: true });
      throw localError('write', path, error);
    }
    return path;
  }

  /** Seals the signatures for the target and makes the local gzip copy. */
  async #sealSignatures(): Promise<SealedFile> {
    const { directory, encoding } = this.#workspace;
    const plain = this.#signaturePartPath;
    const temporary = directory.temporary(directory.placeOf(this.#name('signatures')));
    const dataBytes = statSync(plain).size;
    const copy = this.sealer.canCopy(dataBytes) ? { copy: { path: temporary, dataBytes } } : {};
    const sealed = await this.#sealSignaturesOnce(plain, copy);
    if (existsSync(temporary)) {
      // Made on the way.
    } else if (encoding === 'gzip') {
      try {
        copyFileSync(sealed.path, temporary);
      } catch (error) {
        throw localError('write', temporary, error);
      }
    } else {
      // Threads cost tens of MB each: those that sealed the volumes go before others come.
      await this.sealer.close();
      // A copy that is only read here: time counts, not size.
      const local = new Sealer({ encoding: 'gzip', compressionLevel: 1, time: this.#span.time, ...this.#workers });
      try {
        await this.#seal(plain, local, temporary);
      } finally {
        await local.close();
      }
    }
    directory.publish(temporary, directory.placeOf(this.#name('signatures')));
    return sealed;
  }

  /**
   * Sealed by the run that was interrupted, if nothing has been added since: it may be stored already, and sealed again
   * it would be other bytes.
   */
  async #sealSignaturesOnce(plain: string, options: BeginOptions): Promise<SealedFile> {
    const onTheWay = this.#onTheWay;
    if (onTheWay === undefined) return this.#seal(plain, this.sealer, this.stagingPath(0), options);
    const plainSha256 = await sha256Of(plain);
    const before = this.#resume?.signatures;
    if (before?.plainSha256 === plainSha256 && (await isIntact(before.file))) return before.file;
    const file = await this.#seal(plain, this.sealer, onTheWay.place('signatures'), options);
    onTheWay.noteSignatures({ plainSha256, file });
    return file;
  }

  #seal(source: string, sealer: Sealer, target: string, options: BeginOptions = {}): Promise<SealedFile> {
    return sealFile(sealer, { source, target, signal: this.#signal, ...options });
  }

  /**
   * Stores what an interrupted run may have stored already. The very same bytes are kept as they are; others, which belong to no
   * manifest, are replaced, if that is allowed.
   * @throws CannotResume when it isn't
   */
  async #putOver(name: ArchiveName, file: SealedFile, onProgress?: PutOptions['onProgress']): Promise<StoredObject> {
    const options = onProgress === undefined ? {} : { onProgress };
    if (this.#resume === undefined) return this.#put(name, file, options);
    try {
      return await this.#put(name, file, { ...options, ifExists: 'same' });
    } catch (error) {
      if (!isStorageError(error, 'exists')) throw error;
    }
    return this.#allowed(name, () => this.#put(name, file, { ...options, ifExists: 'replace' }));
  }

  /** A set that came out shorter than the interrupted one: its surplus volumes would look like a manifest that was cut off. */
  async #removeSurplus(volumes: number): Promise<void> {
    const surplus = (this.#resume?.beyond ?? []).filter((file) => file.parsed.volume > volumes);
    const [first] = surplus;
    if (first === undefined) return;
    const names = surplus.map((file) => file.name);
    const signal = this.#signal;
    await this.#allowed(first.parsed, () => this.#workspace.storage.remove(names, { signal }));
  }

  async #allowed<T>(name: ArchiveName, replace: () => Promise<T>): Promise<T> {
    try {
      return await replace();
    } catch (error) {
      if (
        !isStorageError(error, 'permission') &&
        !isStorageError(error, 'retained') &&
        !isStorageError(error, 'exists')
      )
        throw error;
      const { directory } = this.#workspace;
      this.#removePartials();
      for (const kind of ['manifest', 'signatures'] as const) directory.remove(directory.placeOf(this.#name(kind)));
      throw new CannotResume(toText(formatName(name, this.#workspace.prefixes)), error);
    }
  }

  async #put(name: ArchiveName, file: SealedFile, options: PutOptions = {}): Promise<StoredObject> {
    const { storage, prefixes } = this.#workspace;
    const put = storage.put(
      formatName(name, prefixes),
      { kind: 'file', path: file.path, size: file.size, disposable: this.#onTheWay === undefined },
      { ...options, sha256: file.sha256, signal: this.#signal },
    );
    this.#puts.add(put);
    const stored = await put.finally(() => this.#puts.delete(put));
    // Signatures on their way are kept until the manifest is stored: the next run may need these very bytes.
    const isKept = name.kind === 'volume' || (name.kind === 'signatures' && this.#onTheWay !== undefined);
    if (!isKept) rmSync(file.path, { force: true });
    return stored;
  }
}

/**
 * Something of the interrupted set is in the way and may not be replaced. Its partial state is given up: the next attempt makes
 * a new set beside it.
 */
export class CannotResume extends RedupError {
  constructor(name: string, cause: unknown) {
    super('STORAGE', `The interrupted backup cannot be gone on with: ${name} may not be replaced`, {
      subject: name,
      hint: 'Run again: a new backup is made, and cleanup removes the unfinished one.',
      cause,
    });
  }
}
