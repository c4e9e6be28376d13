/** Difftar blocks → sealed volumes (cut, compress, encrypt, hash) and back (fetch, check, open, untar). */
export * from './crypto.js';
export * from './fetch.js';
export * from './merged-sets.js';
export * from './reader.js';
export * from './sealer.js';
export * from './upload-queue.js';
export * from './writer.js';
