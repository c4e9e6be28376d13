/** A profile in the words of the command line: every command then works on it as if they had been typed. */

import type { CommandName } from '../commands.js';
import type { LoadedConfig } from './config.js';
import { placeOf } from './environment.js';
import type { Profile } from './schema.js';

/** Options of all commands: keys, and what stands under `options`. */
export function optionsOf(profile: Profile, { folder }: LoadedConfig, env: NodeJS.ProcessEnv): string[] {
  const options = Object.entries(profile.options ?? {}).flatMap(([name, value]) => {
    if (value === false) return [];
    if (value === true) return [`--${name}`];
    return (Array.isArray(value) ? value : [value]).map((each) => `--${name}=${each}`);
  });
  return [...keyOptions(profile, (name) => (name.includes('/') ? placeOf(name, folder, env) : name)), ...options];
}

function keyOptions({ encryption }: Profile, key: (name: string) => string): string[] {
  if (encryption === 'none') return ['--no-encryption'];
  const { keys = [], 'hidden-keys': hidden = [], 'sign-key': sign, 'use-agent': useAgent } = encryption;
  return [
    ...keys.map((name) => `--encrypt-key=${key(name)}`),
    ...hidden.map((name) => `--hidden-encrypt-key=${key(name)}`),
    ...(sign === undefined ? [] : [`--sign-key=${key(sign)}`]),
    ...(useAgent === true ? ['--use-agent'] : []),
  ];
}

/** Reading takes the secret key's file, where there is one, beside those that backups are encrypted to. */
export function readingOptions(profile: Profile, { folder }: LoadedConfig, env: NodeJS.ProcessEnv): string[] {
  const { encryption } = profile;
  const secret = encryption === 'none' ? undefined : encryption['secret-key'];
  return secret === undefined ? [] : [`--encrypt-key=${placeOf(secret, folder, env)}`];
}

export interface Step {
  readonly command: CommandName;
  readonly argv: readonly string[];
}

/** What happens after a backup that went well. */
export function maintenanceSteps(profile: Profile, options: readonly string[]): Step[] {
  const { retention = {}, cleanup, target } = profile;
  const step = (command: CommandName, ...operands: string[]): Step => ({
    command,
    argv: [command, '--force', ...options, ...operands, target],
  });
  const { 'older-than': older, 'keep-full': full, 'keep-incrementals-of': incrementals } = retention;
  return [
    ...(older === undefined ? [] : [step('remove-older-than', older)]),
    ...(full === undefined ? [] : [step('remove-all-but-n-full', `${full}`)]),
    ...(incrementals === undefined ? [] : [step('remove-all-inc-of-but-n-full', `${incrementals}`)]),
    ...(cleanup === true ? [step('cleanup')] : []),
  ];
}
