/** `@redup/testkit/fuzz`: any bytes at all, guided by what they reach. */

export * from './fuzz/fuzzer.js';
export * from './fuzz/run.js';
