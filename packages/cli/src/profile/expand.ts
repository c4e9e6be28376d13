/** `--profile NAME` with any command: target, keys, options and, where one is due, the source come from the profile. */

import { PAIR_SEPARATOR, rewrite } from '../arguments/rewrite.js';
import { UsageError } from '../arguments/usage-error.js';
import { commandSpec, isUrl } from '../commands.js';
import { RedupError } from '../engine.js';
import { BACKUPS } from '../options/index.js';
import { optionsOf, readingOptions } from './arguments.js';
import { findProfile, loadConfig } from './config.js';
import { environmentOf } from './environment.js';
import { resolveSources } from './sources.js';

export interface Expanded {
  readonly argv: readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

/** @throws UsageError, also for sources and secrets that are not there: no command has begun that could tell it */
export function expandProfile(argv: readonly string[], env: NodeJS.ProcessEnv): Expanded | undefined {
  try {
    return expand(argv, env);
  } catch (error) {
    if (error instanceof RedupError) throw new UsageError(error.message, error.hint);
    throw error;
  }
}

function expand(argv: readonly string[], env: NodeJS.ProcessEnv): Expanded | undefined {
  const { command, options, operands, asks } = rewrite(argv);
  const name = optionValue(options, 'profile');
  if (name === undefined || command === undefined || asks !== undefined) return undefined;
  const spec = commandSpec(command);
  if ('own' in spec)
    throw new UsageError(`${command} takes its profile without --profile`, `It is redup ${command} ${name}.`);
  const config = loadConfig(optionValue(options, 'config'), env);
  const profile = findProfile(config, name);
  const isBackup = BACKUPS.some((each) => each === command);
  const compares = isBackup || command === 'verify';
  const sources = compares ? resolveSources(profile, env) : undefined;
  const given = [...operands];
  const filled = spec.operands.map((operand) => {
    if (operand === 'url') return given[0] !== undefined && isUrl(given[0]) ? (given.shift() ?? '') : profile.target;
    if (sources !== undefined && given.length === 0) return sources.root;
    return given.shift();
  });
  return {
    argv: [
      command,
      ...optionsOf(profile, config, env),
      ...(isBackup ? [] : readingOptions(profile, config, env)),
      ...(sources?.rules ?? []),
      // Two values of one option were joined there.
      ...options
        .filter((option) => !/^--(profile|config)=/.test(option))
        .flatMap((option) => option.split(PAIR_SEPARATOR)),
      '--',
      ...[...filled.filter((operand) => operand !== undefined), ...given],
    ],
    env: environmentOf(profile, config, env).env,
  };
}

function optionValue(options: readonly string[], name: string): string | undefined {
  return options.findLast((option) => option.startsWith(`--${name}=`))?.slice(name.length + 3);
}
