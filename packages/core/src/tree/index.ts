/** Paths, entries and their order; walking a directory; selecting; applying attributes. */
export * from './entry.js';
export * from './given.js';
export * from './paths.js';
export {
  type Action,
  compileSelection,
  type FileSystemQuestions,
  PatternError,
  type PatternMode,
  type PatternProblem,
  questionsAbout,
  type SelectionOptions,
  type SelectionRule,
} from './select/index.js';
export * from './tree-writer.js';
export * from './users.js';
export * from './walk.js';
