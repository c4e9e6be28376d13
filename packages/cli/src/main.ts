/**
 * The command's first steps: understand the arguments, answer what needs no engine, load the rest only then.
 * Start-up time is felt at every call: the engine costs ten times what the arguments do.
 */

import { parseArguments } from './arguments/parse.js';
import { UsageError } from './arguments/usage-error.js';
import type { JsonRecord } from './json/records.js';
import { VERSION } from './version.js';

const USAGE_EXIT_CODE = 23;

/** @returns the exit code */
export async function main(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  try {
    const parsed = parseArguments(argv, env, VERSION);
    if (parsed.kind === 'text') {
      process.stdout.write(parsed.text);
      return 0;
    }
    const { run } = await import('./run/index.js');
    return await run(parsed.invocation, argv, env);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}.\n${error.hint === undefined ? '' : `  ${error.hint}\n`}`);
    if (argv.includes('--json')) {
      const { message, hint } = error;
      const record: JsonRecord = { type: 'error', exitCode: USAGE_EXIT_CODE, code: 'USAGE', message, hint };
      process.stdout.write(`${JSON.stringify(record)}\n`);
    }
    return USAGE_EXIT_CODE;
  }
}
