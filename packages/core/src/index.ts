/**
 * @redup/core: the engine of redup. {@link Repository} is where to begin.
 */
export {
  type ArchiveTime,
  asPath,
  asTime,
  type ByteString,
  type EntryType,
  formatTime,
  fromText,
  localStandardOffset,
  type NamePrefixes,
  type Path,
  parseInterval,
  parseTime,
  type TimeContext,
  toText,
} from './archive/index.js';
export type { BackupOptions, BackupResult } from './commands/backup.js';
export type { FileEntry, ListOptions } from './commands/list.js';
export { canonicalSource } from './commands/plan-set.js';
export type { RestoreOptions, RestoreResult } from './commands/restore.js';
export type { BackupStatistics } from './commands/statistics.js';
export type { ChainStatus, CollectionStatus, SetStatus } from './commands/status.js';
export type { VerifyOptions, VerifyResult } from './commands/verify.js';
export { type ErrorCode, RedupError } from './errors.js';
export type { Difference, EventListener, FileChange, Phase, ProgressEvent, RedupEvent, WarningCode } from './events.js';
export { type Clock, defaultArchiveDirectory, type RepositoryOptions, systemClock } from './options.js';
export { Repository } from './repository.js';
export type { Selection, TreeEntry, Verdict } from './tree/index.js';
export type { EncryptionOptions } from './volumes/index.js';
