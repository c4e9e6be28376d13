/** One file a command: the plot, told top down. */
export * from './backup.js';
export * from './changes.js';
export * from './check/index.js';
export * from './cleanup.js';
export * from './list.js';
export * from './prune.js';
export type { ReadOptions } from './read-file.js';
export { readFile } from './read-file.js';
export type { RemovalOptions } from './remove.js';
export * from './restore.js';
export { canonicalSource, type SourceOptions } from './source.js';
export type { BackupStatistics } from './statistics.js';
export * from './status.js';
export type { StoredStatistics } from './stored-statistics.js';
export * from './sync.js';
export * from './tar.js';
export * from './verify.js';
export { Workspace } from './workspace.js';
