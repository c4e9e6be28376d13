/** Whole backups beside other programs. See the README. */

export * from './contenders.js';
export * from './data.js';
export * from './measure.js';
export * from './report.js';
export * from './scenarios.js';
