/**
 * @redup/core: the engine of redup. {@link Repository} is where to begin.
 */

// What opening a repository needs from below, so that one package is enough for most programs.
export { combineKeySources, type KeySource, OpenPgpError, openGnupg, openKeyFiles, Secret } from '@redup/openpgp';
export {
  FileStorage,
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
export {
  type ArchiveTime,
  asPath,
  asTime,
  type ByteString,
  diskPath,
  type EntryType,
  formatTime,
  fromText,
  localStandardOffset,
  type Moment,
  type NamePrefixes,
  type Path,
  type PathOf,
  type PathText,
  parseInterval,
  parseTime,
  quotePath,
  type TimeContext,
  toLosslessText,
  toText,
} from './archive/index.js';
export type { RetentionRule } from './collection/index.js';
export {
  type Affected,
  type BackupOptions,
  type BackupResult,
  type BackupStatistics,
  type ChainStatus,
  type ChangesOptions,
  type CheckOptions,
  type CheckResult,
  type CleanupOptions,
  type CleanupPlan,
  type CleanupResult,
  type CollectionStatus,
  canonicalSource,
  type FileEntry,
  type FileHistoryOptions,
  type FileVersion,
  type Finding,
  type FindingCode,
  type ListOptions,
  type PlanPruneOptions,
  type PrunedChain,
  type PruneOptions,
  type PrunePlan,
  type PruneResult,
  type PruneRule,
  type ReadOptions,
  type ReadTotals,
  type RemovalOptions,
  type Repair,
  type RestoreOptions,
  type RestoreResult,
  type SetChange,
  type SetStatus,
  type Snapshot,
  type SourceOptions,
  type StoredStatistics,
  type SyncOptions,
  type SyncResult,
  type TarOptions,
  type VerifyOptions,
  type VerifyResult,
} from './commands/index.js';
export { errorOfEngine } from './error-conversion.js';
export { type ErrorCode, type ErrorDetails, RedupError } from './errors.js';
export type { Difference, EventListener, FileChange, Phase, ProgressEvent, RedupEvent, WarningCode } from './events.js';
export { Operation, type Telling } from './operation.js';
export { type Clock, defaultArchiveDirectory, type RepositoryOptions, systemClock } from './options.js';
export { type CallOptions, Repository } from './repository.js';
export {
  type Action,
  type Content,
  compareEntries,
  compileSelection,
  type EntryContent,
  type FileSystemQuestions,
  inArchiveOrder,
  PatternError,
  type PatternMode,
  type PatternProblem,
  questionsAbout,
  type Selection,
  type SelectionOptions,
  type SelectionRule,
  type SourceEntry,
  type TreeEntry,
  type Verdict,
} from './tree/index.js';
export type { EncryptionOptions } from './volumes/index.js';
