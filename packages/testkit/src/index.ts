/** Everything that a test of redup takes from outside redup: peers, trees, comparers. See the README. */

export * from './arbitraries.js';
export * from './archives.js';
export * from './bytes.js';
export * from './content.js';
export * from './disk.js';
export * from './duplicity.js';
export * from './fixtures.js';
export * from './gpg.js';
export * from './histories/index.js';
export * from './history.js';
export * from './machine.js';
export * from './peers.js';
export * from './process.js';
export * from './programs.js';
export * from './random.js';
export * from './snapshot.js';
export * from './temp.js';
export * from './tree.js';
