/** The one door to the engine: nothing else in this package knows which package a name comes from. */

export * from '@redup/core';
export { combineKeySources, type KeySource, OpenPgpError, openGnupg, openKeyFiles, Secret } from '@redup/openpgp';
export {
  folderOfTarget,
  MemoryStorage,
  type OpenOptions,
  type RetryPolicy,
  retryPolicy,
  type Storage,
  StorageError,
  StorageRegistry,
  schemeOf,
  withRetry,
} from '@redup/storage';
