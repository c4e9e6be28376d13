/**
 * The secrets of a profile, read where it says they are and put into the environment of its run: the credentials file, and
 * passphrases. A file with secrets that others can read is refused.
 */

import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { parseEnv } from 'node:util';
import { expandPath } from '../arguments/values.js';
import { RedupError } from '../engine.js';
import { reasonOf } from '../reason.js';
import type { LoadedConfig } from './config.js';
import type { Profile, Reference } from './schema.js';

/** Names that no hook gets to see, whoever set them. */
const SECRET_NAMES = ['PASSPHRASE', 'SIGN_PASSPHRASE', 'FTP_PASSWORD', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];

export interface ProfileEnvironment {
  /** For the commands of the profile. */
  readonly env: NodeJS.ProcessEnv;
  /** For its hooks: without secrets. */
  readonly publicEnv: NodeJS.ProcessEnv;
}

/** @throws RedupError PASSPHRASE_MISSING, IO, BAD_OPTION */
export function environmentOf(profile: Profile, { folder }: LoadedConfig, env: NodeJS.ProcessEnv): ProfileEnvironment {
  const place = (path: string): string => placeOf(path, folder, env);
  const { credentials, encryption } = profile;
  const given = credentials === undefined ? {} : readCredentials(place(credentials.file));
  const all = { ...env, ...given };
  const secrets: Record<string, string> = {};
  if (encryption !== 'none') {
    if (encryption.passphrase !== undefined)
      secrets['PASSPHRASE'] = resolveReference(encryption.passphrase, all, place);
    const { 'sign-passphrase': sign } = encryption;
    if (sign !== undefined) secrets['SIGN_PASSPHRASE'] = resolveReference(sign, all, place);
  }
  const hidden = new Set([...SECRET_NAMES, ...Object.keys(given), ...namesOf(profile)]);
  const publicEnv = Object.fromEntries(Object.entries(env).filter(([name]) => !hidden.has(name)));
  return { env: { ...all, ...secrets }, publicEnv };
}

/** Relative to the configuration file, with `~` and variables. */
export function placeOf(path: string, folder: string, env: NodeJS.ProcessEnv): string {
  const expanded = expandPath(path, env);
  return isAbsolute(expanded) ? expanded : join(folder, expanded);
}

/** @throws RedupError */
export function resolveReference(
  reference: Reference,
  env: NodeJS.ProcessEnv,
  place: (path: string) => string,
): string {
  if ('file' in reference) return readPrivate(place(reference.file)).split(/\r?\n/)[0] ?? '';
  const value = env[reference.env];
  if (value !== undefined && value !== '') return value;
  throw new RedupError('PASSPHRASE_MISSING', `The environment variable ${reference.env} is not set`, {
    subject: reference.env,
    hint: 'Set it, or put it into the credentials file of the profile.',
  });
}

function namesOf({ encryption, healthcheck }: Profile): string[] {
  const references = [
    ...(encryption === 'none' ? [] : [encryption.passphrase, encryption['sign-passphrase']]),
    typeof healthcheck?.url === 'object' ? healthcheck.url : undefined,
  ];
  return references.flatMap((each) => (each !== undefined && 'env' in each ? [each.env] : []));
}

function readCredentials(path: string): Record<string, string> {
  const found = Object.entries(parseEnv(readPrivate(path)));
  return Object.fromEntries(found.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** @throws RedupError IO, also when others could read it */
export function readPrivate(path: string): string {
  let mode: number;
  try {
    mode = statSync(path).mode;
  } catch (error) {
    throw new RedupError('IO', `Cannot read ${path}: ${reasonOf(error)}`, { subject: path, cause: error });
  }
  if ((mode & 0o077) !== 0 && process.platform !== 'win32') {
    throw new RedupError('IO', `${path} holds secrets and is accessible to others`, {
      subject: path,
      hint: `Run chmod 600 '${path}'.`,
    });
  }
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new RedupError('IO', `Cannot read ${path}: ${reasonOf(error)}`, { subject: path, cause: error });
  }
}

/** Runs `use` with variables set for libraries that read the process's environment, such as the AWS SDK. */
export async function withProcessEnvironment<T>(env: NodeJS.ProcessEnv, use: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  for (const [name, value] of Object.entries(env)) if (value !== undefined) process.env[name] = value;
  try {
    return await use();
  } finally {
    for (const name of Object.keys(process.env)) if (!Object.hasOwn(before, name)) delete process.env[name];
    Object.assign(process.env, before);
  }
}
