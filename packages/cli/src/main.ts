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
export async function main(given: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  let argv = await wholeArguments(given);
  try {
    if (argv.some((arg) => /^--prof/.test(arg))) {
      const expanded = (await import('./profile/expand.js')).expandProfile(argv, env);
      if (expanded !== undefined) {
        argv = expanded.argv;
        // The AWS SDK reads it there.
        Object.assign(env, expanded.env);
      }
    }
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

/**
 * Node replaces what is no UTF-8 in an argument. Where that happened the bytes are taken from the system, and kept as lone
 * surrogates: a source may have any name.
 */
async function wholeArguments(argv: readonly string[]): Promise<readonly string[]> {
  if (!argv.some((arg) => arg.includes('\ufffd'))) return argv;
  const [{ readFileSync }, { toLosslessText }] = await Promise.all([import('node:fs'), import('./engine.js')]);
  try {
    const all = readFileSync('/proc/self/cmdline', 'latin1').split('\0').slice(0, -1);
    return all.length < argv.length ? argv : all.slice(-argv.length).map(toLosslessText);
  } catch {
    return argv; // no procfs
  }
}
