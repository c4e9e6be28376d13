/**
 * @redup/storage: where archives are kept. The interface and its contract are in `storage.ts`; files and memory are
 * built in; other places come as packages of their own and are registered with a {@link StorageRegistry}.
 */

export * from './errors.js';
export {
  type Fault,
  type FaultPlan,
  type FaultyCall,
  type FaultyMethod,
  randomFaults,
  scriptedFaults,
  withFaults,
} from './faults.js';
export { FileStorage, type FileStorageOptions } from './file.js';
export {
  type DirectoryEntry,
  type FileFacts,
  type FileSystem,
  nodeFileSystem,
  type OpenFile,
  type Path,
} from './file-system.js';
export { folderOfTarget } from './file-url.js';
export { MemoryStorage } from './memory.js';
export { bytesOfText, checkName, textOfBytes } from './names.js';
export { collect, PIECE_BYTES, pieces } from './pieces.js';
export { RateLimiter, type RateLimits, withRateLimit } from './rate-limit.js';
export {
  type FactoryLoader,
  type OpenOptions,
  openStorage,
  type StorageFactory,
  StorageRegistry,
  schemeOf,
} from './registry.js';
export {
  type RetryClock,
  type RetryEvent,
  type RetryPolicy,
  retrying,
  retryPolicy,
  systemRetryClock,
  withRetry,
} from './retry.js';
export { digest, readSource } from './source.js';
export { processMark, removeLeftBehind } from './staging.js';
export * from './storage.js';
