// The WebAssembly side: sums, tables and the search. It knows no allocation: the caller lays memory out and grows it.

export { scan, scanBegin } from './search';
export { chooseSums } from './sums';
export { blockBegin, blockEnd, blockUpdate, signBlocks } from './sign';
export { buildTable, describe } from './table';

/** Where memory that the caller lays out may begin. */
export function heapBase(): usize {
  return (__heap_base + 63) & ~63;
}
