/** What every command works with: the options of the repository, resolved, and the parts made from them. */

import type { Storage } from '@redup/storage';
import type { Path } from '../archive/index.js';
import {
  type ArchiveTime,
  asTime,
  type ByteString,
  type Encoding,
  fromText,
  localStandardOffset,
  type Moment,
  type NamePrefixes,
  parseTime,
  toText,
} from '../archive/index.js';
import { ArchiveDirectory, nameForUrl, type SyncContext } from '../cache/index.js';
import { type Collection, collect, type Listed } from '../collection/index.js';
import type { RedupError } from '../errors.js';
import type { EventListener, Phase, WarningCode } from '../events.js';
import type { Telling } from '../operation.js';
import {
  type Clock,
  defaultArchiveDirectory,
  defaultHostName,
  defaultTemporaryDirectory,
  type RepositoryOptions,
  systemClock,
} from '../options.js';
import { OwnerMap } from '../tree/index.js';
import { Codec } from '../volumes/index.js';
import { TemporaryFolder } from './temporary-folder.js';

/** zlib's level 3: half the time of duplicity's level 6 for some 4 % more bytes. */
const DEFAULT_LEVEL = 3;

/** A repository as one command sees it. */
export interface WorkspaceContext extends Telling {
  readonly url: string;
  readonly storage: Storage;
  readonly options: RepositoryOptions;
}

export class Workspace {
  readonly options: RepositoryOptions;
  /** The target as the user spelled it. */
  readonly url: string;
  readonly storage: Storage;
  readonly directory: ArchiveDirectory;
  readonly codec: Codec;
  readonly clock: Clock;
  readonly prefixes: NamePrefixes;
  readonly emit: EventListener;
  /** Awaited wherever a command can wait, so that it is never far ahead of who follows its events. */
  readonly pace: Telling['pace'];
  readonly extensions: boolean;
  /** As volumes and signatures are written. Manifests are never gzipped. */
  readonly encoding: Encoding;
  readonly compressionLevel: number | undefined;
  #temporary: TemporaryFolder | undefined;

  constructor({ url, storage, options, emit, pace }: WorkspaceContext) {
    this.options = options;
    this.url = url;
    this.storage = storage;
    this.prefixes = options.prefixes ?? {};
    this.clock = options.clock ?? systemClock;
    this.emit = emit;
    this.pace = pace;
    this.extensions = options.extensions ?? true;
    const compression = options.compression ?? { level: DEFAULT_LEVEL };
    this.compressionLevel = compression === 'none' ? undefined : compression.level;
    this.encoding = options.encryption !== undefined ? 'openpgp' : compression === 'none' ? 'plain' : 'gzip';
    this.codec = new Codec(options.encryption ?? {}, { compressed: compression !== 'none' });
    this.directory = new ArchiveDirectory({
      parent: options.archiveDirectory ?? defaultArchiveDirectory(),
      name: options.name ?? nameForUrl(url),
      prefixes: this.prefixes,
      ...(options.timeSeparator === undefined ? {} : { timeSeparator: options.timeSeparator }),
    });
  }

  get encrypted(): boolean {
    return this.encoding === 'openpgp';
  }

  /** Whether stored metadata may be read where a local copy would do: a host with public keys alone can't. */
  readsAtWill(encoding: Encoding): boolean {
    const { open, reading } = this.options.encryption ?? {};
    return encoding !== 'openpgp' || (open !== undefined && reading !== 'if-needed');
  }

  get metadataEncoding(): Encoding {
    return this.encrypted ? 'openpgp' : 'plain';
  }

  get hostName(): string {
    return fromText(this.options.hostName ?? defaultHostName());
  }

  /** @throws RedupError BAD_TIME for a text that is no time */
  timeOf(moment: Moment | undefined): ArchiveTime | undefined {
    if (moment === undefined || typeof moment === 'number') return moment;
    if (moment instanceof Date) return asTime(moment.getTime() / 1000);
    const now = this.clock.now();
    const standardOffsetSeconds = localStandardOffset(new Date(now * 1000).getFullYear());
    return parseTime(moment, { now, standardOffsetSeconds });
  }

  now(): ArchiveTime {
    return asTime(this.clock.now());
  }

  owners(): OwnerMap {
    return new OwnerMap({ numeric: this.options.numericOwner ?? false });
  }

  syncContext(signal?: AbortSignal): SyncContext {
    const { storage, codec, directory } = this;
    return { storage, codec, directory, ...(signal === undefined ? {} : { signal }) };
  }

  /** What is in the target. Local partial files are not part of it. */
  async remoteCollection(signal?: AbortSignal, onDuplicate?: (error: RedupError) => void): Promise<Collection> {
    this.phase('list');
    const listing: Listed[] = [];
    for await (const object of this.storage.list(signal === undefined ? {} : { signal })) listing.push(object);
    const separator = this.options.timeSeparator;
    return collect(listing, {
      prefixes: this.prefixes,
      ...(separator === undefined ? {} : { timeSeparator: separator }),
      ...(onDuplicate === undefined ? {} : { onDuplicate }),
    });
  }

  warn(code: WarningCode, message: string, about: { readonly path?: Path; readonly object?: string } = {}): void {
    this.emit({ type: 'warning', code, message, ...about });
  }

  /** @param root as the user spells the source */
  socketSkipped(root: ByteString, path: Path): void {
    this.warn('SOCKET_SKIPPED', `Skipping socket ${toText(root).replace(/\/$/, '')}/${toText(path)}`, { path });
  }

  notice(message: string, level?: 'warning'): void {
    this.emit({ type: 'notice', message, ...(level === undefined ? {} : { level }) });
  }

  phase(phase: Phase): void {
    this.emit({ type: 'phase', phase });
  }

  /** Where private folders are made. */
  get temporaryParent(): string {
    return this.options.temporaryDirectory ?? defaultTemporaryDirectory();
  }

  /** A private folder of this run, made on first use. */
  temporaryFolder(): string {
    this.#temporary ??= new TemporaryFolder(this.temporaryParent);
    return this.#temporary.path;
  }

  dispose(): void {
    this.#temporary?.dispose();
    this.#temporary = undefined;
  }
}
