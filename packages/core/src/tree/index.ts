/** Paths, entries and their order; walking a directory; selecting; applying attributes. */
export * from './entry.js';
export * from './paths.js';
export * from './tree-writer.js';
export * from './users.js';
export * from './walk.js';
