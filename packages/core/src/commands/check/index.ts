/** `check`: what is there, whether it is whole, and putting right what can be. */
export { type CheckOptions, type CheckResult, check } from './check.js';
export type { Affected, Finding, FindingCode } from './findings.js';
