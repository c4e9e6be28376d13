/** Runs a Node program that suffers something at one of its calls. */

import fs from 'node:fs';
import path from 'node:path';

import { cleanEnv, type RunOptions, type RunResult, run } from '../process.js';
import { withTempDir } from '../temp.js';
import { type EffectPlan, PLAN_VARIABLE } from './plan.js';

/** Compiled: a program under test doesn't understand TypeScript. */
const PRELOAD = new URL('../../dist/effects/preload.js', import.meta.url).href;

export interface SufferedRun extends RunResult {
  /** The calls that counted, as `NAME PATH…`, the last one being that which did not return when the program was killed. */
  readonly calls: readonly string[];
}

/**
 * @param script - of the program, and its arguments
 * @param plan - its log is made here
 */
export async function runSuffering(
  script: readonly string[],
  plan: Omit<EffectPlan, 'log'>,
  options: RunOptions = {},
): Promise<SufferedRun> {
  return withTempDir('effects', async (folder) => {
    const log = path.join(folder, 'log');
    fs.writeFileSync(log, '');
    const env = { ...(options.env ?? cleanEnv()), [PLAN_VARIABLE]: JSON.stringify({ ...plan, log }) };
    const result = await run(process.execPath, ['--import', PRELOAD, ...script], { ...options, env });
    return { ...result, calls: fs.readFileSync(log, 'latin1').split('\n').slice(0, -1) };
  });
}
