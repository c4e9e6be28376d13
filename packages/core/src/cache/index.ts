/** The local archive directory: metadata mirror, partial state of a running backup, lock. */
export * from './archive-directory.js';
export * from './lock.js';
export * from './sync.js';
