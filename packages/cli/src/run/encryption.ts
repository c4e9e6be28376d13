/**
 * Which keys and passphrases a command works with, from options and environment (CLI.md §2.3 and §3).
 * A key is named by id, fingerprint or e-mail address and looked up in the GnuPG home, or by the path of a key file.
 */

import {
  combineKeySources,
  type EncryptionOptions,
  errorOfEngine,
  type KeySource,
  openGnupg,
  openKeyFiles,
  RedupError,
  type Secret,
} from '../engine.js';
import type { Values } from '../options/index.js';
import { givenPassphrase, requirePassphrase } from './secrets.js';
import { defined } from './target.js';

export interface EncryptionContext {
  readonly values: Values;
  readonly env: NodeJS.ProcessEnv;
  /** `write`: a backup. `repair`: it will read and write, if the target is encrypted. `read`: it will read volumes. `look`: names, or metadata that is probably here already. */
  readonly purpose: 'write' | 'read' | 'look' | 'repair';
  /** Whether the target holds no backup yet. */
  isNew(): Promise<boolean>;
  /** Whether anything in the target is encrypted. */
  isSealed(): Promise<boolean>;
}

/** @throws RedupError PASSPHRASE_MISSING, KEY_UNKNOWN, KEY_LOCKED, GPG_MISSING, … */
export async function resolveEncryption(context: EncryptionContext): Promise<EncryptionOptions | undefined> {
  const { values, purpose } = context;
  if (purpose === 'write' && values['no-encryption'] === true) return undefined;
  try {
    if (purpose === 'write') return await forWriting(context);
    if (purpose !== 'repair' || !(await context.isSealed())) return await forReading(context);
    const [write, read] = [await forWriting(context), await forReading(context)];
    return { ...write, open: { ...read.open, ...write.open } };
  } catch (error) {
    throw errorOfEngine(error);
  }
}

async function forWriting(context: EncryptionContext): Promise<EncryptionOptions> {
  const { values, env } = context;
  const { named, hidden, signer } = keyNames(values);
  if (named.length + hidden.length === 0) return withPassphrase(context, signer);
  const passphrase = givenPassphrase(values, env, 'PASSPHRASE');
  const keys = await openKeySources(context, passphrase);
  const seal = {
    recipients: await Promise.all(named.map((id) => keys.recipient(id))),
    hiddenRecipients: await Promise.all(hidden.map((id) => keys.recipient(id))),
    ...(signer === undefined ? {} : { signer: await keys.signer(signer) }),
  };
  // A host with public keys alone writes backups but can't read them, and must not try where its local copies serve.
  const canRead =
    passphrase !== undefined || values['use-agent'] === true || values['encrypt-secret-keyring'] !== undefined;
  const open = { ...defined({ passphrase, requireSigner: await trusted(keys, signer) }), keys };
  return { seal, open, reading: canRead ? 'at-will' : 'if-needed' };
}

async function withPassphrase(context: EncryptionContext, signer: string | undefined): Promise<EncryptionOptions> {
  const { values, env } = context;
  if (values['use-agent'] === true) {
    throw new RedupError('PASSPHRASE_MISSING', 'With --use-agent there must be a key to encrypt to', {
      hint: 'Name it with --encrypt-key, or leave --use-agent out and set PASSPHRASE.',
    });
  }
  const passphrase = await requirePassphrase(values, env, {
    what: 'passphrase to encrypt with',
    variable: 'PASSPHRASE',
    isNew: () => context.isNew(),
  });
  if (signer === undefined) return { seal: { passphrase }, open: { passphrase } };
  const keys = await openKeySources(context, passphrase);
  const requireSigner = await keys.trustedSigner(signer);
  return { seal: { passphrase, signer: await keys.signer(signer) }, open: { passphrase, keys, requireSigner } };
}

async function forReading(context: EncryptionContext): Promise<EncryptionOptions> {
  const { values, env, purpose } = context;
  const { named, hidden, signer } = keyNames(values);
  const hasKeys = named.length + hidden.length > 0 || values['encrypt-secret-keyring'] !== undefined;
  const mayAsk = purpose === 'read' && !hasKeys && values['use-agent'] !== true && values['no-encryption'] !== true;
  const given = givenPassphrase(values, env, 'PASSPHRASE');
  const passphrase = given ?? (mayAsk ? await askIfEncrypted(context) : undefined);
  const keys = await openKeySources(context, passphrase);
  return { open: { ...defined({ passphrase, requireSigner: await trusted(keys, signer) }), keys } };
}

/** Somebody at the terminal is asked; where nobody is, the agent may still have the key. */
async function askIfEncrypted({ values, env }: EncryptionContext): Promise<Secret | undefined> {
  if (!process.stderr.isTTY) return undefined;
  const question = { what: 'passphrase', variable: 'PASSPHRASE', isNew: async () => false } as const;
  return requirePassphrase(values, env, question);
}

async function trusted(keys: KeySource, signer: string | undefined) {
  return signer === undefined ? undefined : keys.trustedSigner(signer);
}

interface KeyNames {
  readonly named: readonly string[];
  readonly hidden: readonly string[];
  readonly signer: string | undefined;
}

function keyNames(values: Values): KeyNames {
  const both = values['encrypt-sign-key'];
  return {
    named: [...(values['encrypt-key'] ?? []), ...(both === undefined ? [] : [both])],
    hidden: values['hidden-encrypt-key'] ?? [],
    signer: values['sign-key'] ?? both,
  };
}

/** Key files that were named as keys, then the GnuPG home. */
async function openKeySources({ values, env }: EncryptionContext, passphrase: Secret | undefined): Promise<KeySource> {
  const { named, hidden, signer } = keyNames(values);
  const files = [...named, ...hidden, ...(signer === undefined ? [] : [signer])].filter((id) => id.includes('/'));
  const signPassphrase = givenPassphrase(values, env, 'SIGN_PASSPHRASE') ?? passphrase;
  const gnupg = openGnupg({
    ...defined({
      binary: values['gpg-binary'],
      options: values['gpg-options'],
      secretKeyring: values['encrypt-secret-keyring'],
      useAgent: values['use-agent'],
      passphrase,
      signPassphrase,
      home: env['GNUPGHOME'],
    }),
  });
  if (files.length === 0) return gnupg;
  const secrets = [signPassphrase, passphrase].filter((secret) => secret !== undefined);
  return combineKeySources(await openKeyFiles({ files, passphrase: secrets }), gnupg);
}
