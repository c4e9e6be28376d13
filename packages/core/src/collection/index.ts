/** A file listing → backup sets → chains; which sets a time needs. */
export * from './queries.js';
export * from './retention.js';
export * from './sets.js';
