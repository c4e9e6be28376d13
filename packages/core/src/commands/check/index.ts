/** `check`: what is there, whether it is whole, and putting right what can be. */
export type { ReadTotals } from './chain-data.js';
export { type CheckOptions, type CheckResult, check } from './check.js';
export type { Affected, Finding, FindingCode } from './findings.js';
export type { Repair } from './repair.js';
