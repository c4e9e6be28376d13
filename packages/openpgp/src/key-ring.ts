/**
 * Public keys in memory: finding one by what a user wrote, and choosing the subkey that encrypts or
 * signs, with an error that says what is wrong with it.
 */
import type { Config, Key, KeyID, Subkey } from 'openpgp';
import type { SessionKey } from './algorithms.js';
import { OpenPgpError, type OpenPgpErrorCode } from './errors.js';
import { unknownKey } from './key-source.js';
import { type Library, loadLibrary, readingConfig, wholeConfig, writingConfig } from './library.js';
import type { Recipient } from './seal.js';

/** Reads keys from bytes: binary, or any number of armoured blocks. */
export async function readKeys(bytes: Uint8Array): Promise<Key[]> {
  const library = await loadLibrary();
  const config = readingConfig(library);
  if ((bytes[0] ?? 0) & 0x80) return library.readKeys({ binaryKeys: bytes, config });
  const blocks = Buffer.from(bytes)
    .toString('latin1')
    .match(/-----BEGIN PGP (PUBLIC|PRIVATE) KEY BLOCK-----[\s\S]*?-----END PGP \1 KEY BLOCK-----/g);
  const keys: Key[] = [];
  for (const block of blocks ?? []) keys.push(...(await library.readKeys({ armoredKeys: block, config })));
  return keys;
}

/** Upper-case hexadecimal digits, when `text` is an id or a fingerprint; undefined when it is a name. */
export function asKeyId(text: string): string | undefined {
  const digits = text.replace(/^0x/i, '').replace(/\s/g, '').replace(/!$/, '').toUpperCase();
  return /^([0-9A-F]{8}|[0-9A-F]{16}|[0-9A-F]{32}|[0-9A-F]{40}|[0-9A-F]{64})$/.test(digits) ? digits : undefined;
}

export type KeyUse = 'encrypt' | 'sign';

/** The keys of `keys` that `text` names. */
export function findKeys<K extends Key>(keys: readonly K[], text: string): K[] {
  const id = asKeyId(text);
  if (id !== undefined) {
    const matching = keys.filter((key) =>
      key.getKeys().some((part) => part.getFingerprint().toUpperCase().endsWith(id)),
    );
    if (matching.length > 0) return matching;
  }
  const wanted = text.toLowerCase().replace(/^<(.*)>$/, '$1');
  const exact = keys.filter((key) => emailsOf(key).includes(wanted));
  if (exact.length > 0) return exact;
  if (wanted.includes('@') || wanted.length < 3) return [];
  return keys.filter((key) => key.getUserIDs().some((userId) => userId.toLowerCase().includes(wanted)));
}

function emailsOf(key: Key): string[] {
  return key.users.map((user) => user.userID?.email.toLowerCase() ?? '');
}

/** The one key that `text` names and that can be used for `use`. */
export async function chooseKey<K extends Key>(keys: readonly K[], text: string, use: KeyUse): Promise<K> {
  const found = findKeys(keys, text);
  const usable: K[] = [];
  let problem: unknown;
  for (const key of found) {
    try {
      await chooseSubkey(key, text, use);
      usable.push(key);
    } catch (error) {
      problem ??= error;
    }
  }
  const [only] = usable;
  if (usable.length > 1) {
    const keyIds = usable.map((key) => idOf(key));
    throw new OpenPgpError('ambiguous-key', `${text} names several keys: ${keyIds.join(', ')}`, { keyIds });
  }
  if (only !== undefined) return only;
  throw problem ?? unknownKey(text);
}

/** The part of `key` to use: the very subkey that `text` names if it can, else the newest valid one. */
export async function chooseSubkey(key: Key, text: string, use: KeyUse): Promise<Key | Subkey> {
  const library = await loadLibrary();
  const config = wholeConfig(library, writingConfig());
  const id = asKeyId(text);
  const named =
    id === undefined ? undefined : key.subkeys.find((part) => part.getFingerprint().toUpperCase().endsWith(id));
  const choose = (keyId?: KeyID): Promise<Key | Subkey> =>
    use === 'encrypt'
      ? key.getEncryptionKey(keyId, new Date(), undefined, config)
      : key.getSigningKey(keyId, new Date(), undefined, config);
  await refuseInvalid(key, config);
  try {
    if (named !== undefined) return await choose(named.getKeyID()).catch(() => choose());
    return await choose();
  } catch (cause) {
    throw await subkeyProblem(key, use, config, cause);
  }
}

async function refuseInvalid(key: Key, config: Config): Promise<void> {
  if (await key.isRevoked(undefined, undefined, new Date(), config))
    throw keyProblem('revoked-key', key, 'was revoked');
  const expires = await key.getExpirationTime(undefined, config);
  if (expires === null) throw keyProblem('unusable-key', key, 'has no valid self-signature');
  if (expires instanceof Date && expires <= new Date()) {
    throw keyProblem('expired-key', key, `expired on ${expires.toISOString().slice(0, 10)}`);
  }
}

/** Why no part of a valid key serves: all expired or revoked, or none made for it. */
async function subkeyProblem(key: Key, use: KeyUse, config: Config, cause: unknown): Promise<OpenPgpError> {
  const wantedFlags = use === 'encrypt' ? 0x0c : 0x02;
  for (const subkey of key.subkeys) {
    const binding = subkey.bindingSignatures.at(-1);
    if (binding === undefined || ((binding.keyFlags?.[0] ?? 0) & wantedFlags) === 0) continue;
    if (await subkey.isRevoked(binding, subkey.keyPacket, new Date(), config)) {
      return keyProblem('revoked-key', key, `has only a revoked subkey to ${use}`, cause);
    }
    const expires = await subkey.getExpirationTime(new Date(), config);
    if (expires === null || (expires instanceof Date && expires <= new Date())) {
      return keyProblem('expired-key', key, `has only an expired subkey to ${use}`, cause);
    }
  }
  return keyProblem('unusable-key', key, `can't ${use}`, cause);
}

function keyProblem(code: OpenPgpErrorCode, key: Key, what: string, cause?: unknown): OpenPgpError {
  const keyId = idOf(key);
  return new OpenPgpError(code, `The key ${keyId} ${what}`, {
    keyIds: [keyId],
    ...(cause === undefined ? {} : { cause }),
  });
}

export function idOf(key: Key | Subkey): string {
  return key.getKeyID().toHex().toUpperCase();
}

/** Encrypting to the chosen part of a key. Everything random and public-key is the library's. */
export async function makeRecipient(key: Key, text: string): Promise<Recipient> {
  const library = await loadLibrary();
  const part = await chooseSubkey(key, text, 'encrypt');
  return {
    encryptSessionKey: (sessionKey, visibility) =>
      encryptSessionKey(library, key, part.getKeyID(), sessionKey, visibility),
  };
}

async function encryptSessionKey(
  library: Library,
  key: Key,
  keyId: KeyID,
  sessionKey: SessionKey,
  visibility: 'named' | 'hidden',
): Promise<Uint8Array> {
  return library.encryptSessionKey({
    data: sessionKey.key,
    algorithm: 'aes256',
    encryptionKeys: key,
    encryptionKeyIDs: keyId,
    wildcard: visibility === 'hidden',
    format: 'binary',
    // A key that advertises AEAD alone still reads CFB with MDC, which duplicity's gpg writes.
    config: { ...writingConfig(), aeadProtect: false },
  });
}
