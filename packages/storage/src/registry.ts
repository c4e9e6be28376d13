/**
 * From a target URL to a storage. A registry maps URL schemes to factories; a factory is loaded when its
 * scheme is first used, so that a program that never names an S3 URL never loads an S3 client.
 */

import { StorageError } from './errors.js';
import { FileStorage } from './file.js';
import type { RetryPolicy } from './retry.js';
import type { Storage } from './storage.js';

/** What every storage understands. Options of one kind of storage are bound when its factory is registered. */
export interface OpenOptions {
  /** Make the target folder or bucket when it is missing. Default `never`. */
  readonly create?: 'if-missing' | 'never';
  /** For storages behind a network. */
  readonly retry?: RetryPolicy;
  /** How long a connection may stay silent, in milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** @throws StorageError `bad-url`, `target-missing`, `credentials`, … */
export type StorageFactory = (url: string, options: OpenOptions) => Promise<Storage>;

/** Loads a factory: `async () => (await import('@redup/storage-s3')).s3Factory(options)`. */
export type FactoryLoader = () => Promise<StorageFactory>;

export class StorageRegistry {
  readonly #loaders = new Map<string, FactoryLoader>();

  constructor() {
    this.register(['file'], async () => async (url, options) => FileStorage.open(url, fileOptions(options)));
  }

  /** Schemes are lower case and without colon. A later registration replaces an earlier one. */
  register(schemes: readonly string[], load: FactoryLoader): this {
    for (const scheme of schemes) this.#loaders.set(scheme, load);
    return this;
  }

  /** In the order of their registration. */
  get schemes(): readonly string[] {
    return [...this.#loaders.keys()];
  }

  /** @throws StorageError `bad-url` for something that is no URL or whose scheme nobody registered */
  async open(url: string, options: OpenOptions = {}): Promise<Storage> {
    const scheme = schemeOf(url);
    const load = scheme === undefined ? undefined : this.#loaders.get(scheme);
    if (load === undefined) throw unknownScheme(scheme, this.schemes);
    const factory = await load();
    return factory(url, options);
  }
}

/** The scheme of a target URL in lower case, or undefined when the text is no URL. */
export function schemeOf(url: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):(?:\/\/|(?=\/))/i.exec(url)?.[1]?.toLowerCase();
}

/** Opens a target with the schemes of `registry`; without one, only `file:` is known. */
export async function openStorage(
  url: string,
  options: OpenOptions = {},
  registry?: StorageRegistry,
): Promise<Storage> {
  return (registry ?? new StorageRegistry()).open(url, options);
}

function fileOptions(options: OpenOptions): { create?: 'if-missing' | 'never' } {
  return options.create === undefined ? {} : { create: options.create };
}

/** The URL itself stays out of the message: it may hold a password. */
function unknownScheme(scheme: string | undefined, known: readonly string[]): StorageError {
  const what = scheme === undefined ? 'the target is not a URL' : `no storage for ${scheme}:// URLs`;
  return new StorageError('bad-url', what, {
    subject: scheme ?? '',
    hint: `known: ${known.map((name) => `${name}://`).join(', ')}; a folder is file:///absolute/path${scheme?.includes('s3') ? '; S3 is registered by registerS3 of @redup/storage-s3' : ''}`,
  });
}
