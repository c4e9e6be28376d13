/** A tree against its last signatures → the changes; the changes → difftar blocks and new signatures. */
export * from './changes.js';
export * from './content.js';
export type { UnopenedFile } from './input.js';
export * from './scratch.js';
export * from './signature-match.js';
export * from './signature-writer.js';
export * from './signatures.js';
export * from './store.js';
