/** The local archive directory: metadata mirror, partial state of a running backup, lock. */
export * from './archive-directory.js';
export { acquireLock, type Lock } from './lock.js';
export { forgetHolder, type Holder, livenessHere, newHolder, parseHolder } from './lock-holder.js';
export * from './sync.js';
export { acquireTargetLock } from './target-lock.js';
