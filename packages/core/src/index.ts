/** @redup/core: the engine of redup. `Repository` is where to begin. */

export { backup } from './commands/backup.js';
export { Workspace } from './commands/workspace.js';
export * from './errors.js';
export * from './events.js';
export * from './options.js';
