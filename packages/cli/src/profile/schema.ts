/**
 * What may stand in `redup.yaml` (docs/configuration.md): the types, the checks, and the source of the published JSON Schema.
 * No secret has a place here: passphrases and credentials are named by file or environment variable.
 */

import * as z from 'zod';
import { parseInterval } from '../engine.js';
import { OPTION_NAMES, type OptionName, optionSpec } from '../options/index.js';
import { parseSchedule, SCHEDULE_FORMS } from './schedule.js';

const interval = z.string().refine((text) => parseInterval(text) !== undefined, {
  error: 'must be a length of time such as 30D, 6M or 1Y',
});

/** A secret's place. */
const reference = z.union(
  [z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().regex(/^\w+$/) })],
  {
    error:
      'must say where the secret is: { file: PATH } or { env: NAME }; secrets themselves have no place in this file',
  },
);
export type Reference = z.infer<typeof reference>;

const encryption = z.union(
  [
    z.literal('none'),
    z.strictObject({
      passphrase: reference.optional().describe('of the archives, or of the secret key'),
      keys: z
        .array(z.string().min(1))
        .min(1)
        .optional()
        .describe('ids, fingerprints, addresses, or key files (with a /)'),
      'hidden-keys': z.array(z.string().min(1)).min(1).optional(),
      'sign-key': z.string().min(1).optional(),
      'sign-passphrase': reference.optional(),
      'secret-key': z.string().min(1).optional().describe('the key file that reads backups'),
      'use-agent': z.boolean().optional(),
    }),
  ],
  {
    error:
      'must be none, or a mapping of passphrase, keys, hidden-keys, sign-key, sign-passphrase, secret-key, use-agent; passphrases as { file: PATH } or { env: NAME }',
  },
);

const commands = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)], {
  error: 'must be a command, or a list of commands',
});

/** What a profile says in its own words, or what only makes sense on a command line. */
const NOT_IN_PROFILES: ReadonlySet<OptionName> = new Set([
  ...['config', 'profile', 'all'],
  ...['json', 'log-fd', 'verbosity', 'dry-run', 'force', 'passphrase-file', 'passphrase-fd', 'no-encryption'],
  ...['encrypt-key', 'hidden-encrypt-key', 'sign-key', 'encrypt-sign-key', 'use-agent', 'full-if-older-than'],
] as OptionName[]);

function isProfileOption(name: string): boolean {
  const option = OPTION_NAMES.find((each) => each === name);
  return option !== undefined && !NOT_IN_PROFILES.has(option) && typeof (optionSpec(option).status ?? '') === 'string';
}

const option = z.union([z.string(), z.number(), z.boolean(), z.array(z.union([z.string(), z.number()]))]);

export const profile = z
  .strictObject({
    sources: z
      .array(z.string().regex(/^[/~$]/, { error: 'must be an absolute path or pattern' }))
      .min(1)
      .describe('paths and patterns of what is backed up'),
    root: z
      .string()
      .regex(/^[/~$]/, { error: 'must be an absolute path' })
      .optional()
      .describe('the folder that the archive is of; by default what the sources have in common'),
    exclude: z.array(z.string().min(1)).optional().describe('shell patterns of what is left out'),
    target: z
      .string()
      .regex(/^\w[\w+]*:\/\//, { error: 'must be a URL: file:///path or s3://bucket/prefix' })
      .refine((url) => !/^\w[\w+]*:\/\/[^/]*:[^/]*@/.test(url), {
        error: 'must hold no password; name a credentials file with credentials: { file: PATH }',
      }),
    encryption,
    credentials: z
      .strictObject({ file: z.string().min(1) })
      .optional()
      .describe('a private file with lines NAME=VALUE: what the storage needs, and PASSPHRASE'),
    'full-every': interval.optional(),
    retention: z
      .strictObject({
        'older-than': interval.optional(),
        'keep-full': z.int().min(1).optional(),
        'keep-incrementals-of': z.int().min(1).optional(),
      })
      .optional(),
    cleanup: z.boolean().optional(),
    schedule: z
      .string()
      .refine((text) => parseSchedule(text) !== undefined, { error: `must be ${SCHEDULE_FORMS}` })
      .optional(),
    hooks: z
      .strictObject({ pre: commands.optional(), post: commands.optional(), 'on-failure': commands.optional() })
      .optional(),
    metrics: z
      .strictObject({ directory: z.string().min(1) })
      .optional()
      .describe('for a Prometheus text file'),
    healthcheck: z
      .strictObject({
        url: z.union([z.string().regex(/^https?:\/\//), reference], {
          error: 'must be a URL, { file: PATH } or { env: NAME }',
        }),
      })
      .optional(),
    options: z
      .record(z.string().refine(isProfileOption, { error: 'is no option that a profile can have' }), option)
      .optional()
      .describe('further options of the command line, without their dashes'),
  })
  .meta({ id: 'profile' });

export const config = z.strictObject({
  version: z.literal(1, { error: 'must be 1, the only version there is' }),
  profiles: z
    .record(
      z.string().regex(/^[a-z0-9][a-z0-9._-]*$/i, { error: 'is no name: letters, digits, dots, dashes' }),
      profile,
    )
    .refine((profiles) => Object.keys(profiles).length > 0, { error: 'has no profile' }),
});

export type Profile = z.infer<typeof profile>;
export type Config = z.infer<typeof config>;

/** For editors: `# yaml-language-server: $schema=…`. */
export function configSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(config, { io: 'input' }), title: 'redup.yaml, version 1' };
}
