/** What a repository is opened with, and the settings that commands share. */

import { homedir, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Storage, StorageRegistry } from '@redup/storage';
import type { NamePrefixes } from './archive/index.js';
import type { EventListener } from './events.js';
import type { EncryptionOptions } from './volumes/index.js';

/** Time comes in through here, so that tests and reproducible runs can set it. */
export interface Clock {
  /** Seconds since 1970, with fractions. */
  now(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface RepositoryOptions {
  /** The place itself; the repository closes it. Omitted: `storages` opens the URL when a command first needs it. */
  readonly storage?: Storage;
  /** Which URLs can be opened; default `file:` alone. `registerS3(new StorageRegistry())` adds S3. */
  readonly storages?: StorageRegistry;
  /** Omitted: archives are written unencrypted (and encrypted ones can't be read). */
  readonly encryption?: EncryptionOptions;
  /**
   * `gzip` or OpenPGP's own compression at a zlib level from 1 to 9, or `none`. Default level 3: about half
   * the time of duplicity's level 6 for some 4 % more bytes.
   */
  readonly compression?: 'none' | { readonly level: number };
  /** Worker threads that compress; by default one a core. */
  readonly workers?: number;
  /** Parent of the local archive directories; default `$XDG_CACHE_HOME/duplicity` or `~/.cache/duplicity`. */
  readonly archiveDirectory?: string;
  /** Name of the archive directory; default the MD5 of the URL, as duplicity does. */
  readonly name?: string;
  readonly temporaryDirectory?: string;
  /** Copy all metadata of the target into the archive directory, or (the default) what a command needs. */
  readonly metadataSync?: 'full' | 'needed';
  readonly prefixes?: NamePrefixes;
  /** Of the old long time form in names, for reading; default `:`. */
  readonly timeSeparator?: string;
  /** Take the numbers of archived owners, never their names. */
  readonly numericOwner?: boolean;
  /** Host recorded in manifests; default this machine's. */
  readonly hostName?: string;
  /** Records and hashes beyond what duplicity writes (it ignores them); default true. */
  readonly extensions?: boolean;
  /**
   * Take locks that may be of a run on another machine. The lock of a process that runs on this machine, or of a running
   * duplicity, is never taken; whoever loses a lock stops before it stores anything further.
   */
  readonly forceUnlock?: boolean;
  readonly clock?: Clock;
  readonly onEvent?: EventListener;
}

export const systemClock: Clock = {
  now: () => Date.now() / 1000,
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      const aborted = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', aborted);
        resolve();
      }, ms);
      signal?.addEventListener('abort', aborted, { once: true });
    }),
};

export function defaultArchiveDirectory(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache'), 'duplicity');
}

export function defaultTemporaryDirectory(): string {
  return tmpdir();
}

export function defaultHostName(): string {
  return hostname();
}
