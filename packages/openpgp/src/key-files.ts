/**
 * Keys from files, armoured or binary, public or secret: encrypting, signing, verifying and
 * decrypting with no GnuPG at all.
 */
import { readFileSync, statSync } from 'node:fs';
import type { Key, PrivateKey, Subkey } from 'openpgp';
import { cipherById, type SessionKey, TAG } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import { packet } from './framing.js';
import { asKeyId, chooseKey, chooseSubkey, findKeys, idOf, makeRecipient, readKeys } from './key-ring.js';
import { type KeySource, unknownKey } from './key-source.js';
import { type Library, loadLibrary, readingConfig } from './library.js';
import type { TrustedSigner } from './message-signatures.js';
import type { Recipient, Signer } from './seal.js';
import type { Secret } from './secret.js';
import type { KeyEncryptedSessionKey } from './session-keys.js';
import { makeSigner, signWithLibrary } from './sign.js';
import { trustSigner } from './verify.js';

export interface KeyOptions {
  /** Unlocks secret keys; several are tried. */
  readonly passphrase?: Secret | readonly Secret[];
}

export interface KeyFileOptions extends KeyOptions {
  /** Paths of key files. Ids that name such a path mean the key in it. */
  readonly files: readonly string[];
}

/** Reads key files. Throws `unknown-key` for a file without keys, `secret-file` for secret keys that others can read. */
export async function openKeyFiles(options: KeyFileOptions): Promise<KeySource> {
  const keys: Key[] = [];
  const byPath = new Map<string, Key[]>();
  for (const path of options.files) {
    const read = await readKeyFile(path);
    byPath.set(path, read);
    keys.push(...read);
  }
  return new KeyCollection(keys, options, byPath);
}

/**
 * Keys from memory, in the same forms as files have them.
 *
 * @throws OpenPgpError `unknown-key` when these are no keys
 */
export async function openKeys(bytes: Uint8Array, options: KeyOptions = {}): Promise<KeySource> {
  let keys: Key[];
  try {
    keys = await readKeys(bytes);
  } catch (cause) {
    throw new OpenPgpError('unknown-key', 'These bytes are no OpenPGP keys', {
      cause,
      hint: 'Export keys with `gpg --export` or `gpg --export-secret-keys`.',
    });
  }
  return new KeyCollection(keys, options, new Map());
}

async function readKeyFile(path: string): Promise<Key[]> {
  let keys: Key[];
  try {
    keys = await readKeys(readFileSync(path));
  } catch (cause) {
    throw new OpenPgpError('unknown-key', `No key can be read from ${path}`, {
      cause,
      subject: path,
      hint: 'Check the path.',
    });
  }
  if (keys.length === 0) {
    throw new OpenPgpError('unknown-key', `There is no OpenPGP key in ${path}`, {
      subject: path,
      hint: 'Make it with `gpg --export`.',
    });
  }
  const isSecret = keys.some((key) => key.isPrivate());
  if (isSecret && process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    throw new OpenPgpError('secret-file', `The secret key file ${path} is accessible to others`, { subject: path });
  }
  return keys;
}

class KeyCollection implements KeySource {
  readonly #keys: readonly Key[];
  readonly #byPath: ReadonlyMap<string, readonly Key[]>;
  readonly #passphrases: readonly Secret[];
  readonly #unlocked = new Map<string, Promise<PrivateKey | undefined>>();

  constructor(keys: readonly Key[], options: KeyOptions, byPath: ReadonlyMap<string, readonly Key[]>) {
    this.#keys = keys;
    this.#byPath = byPath;
    const { passphrase } = options;
    this.#passphrases = passphrase === undefined ? [] : 'length' in passphrase ? passphrase : [passphrase];
  }

  async recipient(id: string): Promise<Recipient> {
    const { keys, text } = this.#scope(id);
    return makeRecipient(await chooseKey(keys, text, 'encrypt'), text);
  }

  async signer(id: string): Promise<Signer> {
    const { keys, text } = this.#scope(id);
    const secret = keys.filter((key): key is PrivateKey => key.isPrivate());
    const key = await chooseKey(secret, text, 'sign');
    const unlocked = await this.#unlock(key);
    const part = await chooseSubkey(unlocked ?? key, text, 'sign');
    const { keyPacket } = part;
    if (unlocked === undefined || !('privateParams' in keyPacket) || !keyPacket.isDecrypted())
      throw lockedKey([idOf(part)]);
    return makeSigner(await signWithLibrary(keyPacket));
  }

  async trustedSigner(id: string): Promise<TrustedSigner> {
    const { keys, text } = this.#scope(id);
    const [key, ...others] = findKeys(keys, text);
    if (key === undefined) throw unknownKey(id);
    if (others.length > 0) {
      const keyIds = [key, ...others].map((other) => idOf(other));
      throw new OpenPgpError('ambiguous-key', `${id} names several keys: ${keyIds.join(', ')}`, { keyIds });
    }
    return trustSigner(key);
  }

  async decryptSessionKey(packets: readonly KeyEncryptedSessionKey[]): Promise<SessionKey | undefined> {
    const library = await loadLibrary();
    const lockedIds: string[] = [];
    for (const key of this.#keys) {
      if (!key.isPrivate()) continue;
      const matching = packets.filter((candidate) => mayBeFor(candidate, key));
      if (matching.length === 0) continue;
      const unlocked = await this.#unlock(key);
      if (unlocked === undefined) {
        lockedIds.push(...matching.map((candidate) => candidate.keyId));
        continue;
      }
      for (const candidate of matching) {
        const sessionKey = await decryptOne(library, candidate, unlocked);
        if (sessionKey !== undefined) return sessionKey;
      }
    }
    if (lockedIds.length > 0) throw lockedKey(lockedIds);
    return undefined;
  }

  #scope(id: string): { keys: readonly Key[]; text: string } {
    const inFile = this.#byPath.get(id);
    if (inFile === undefined) return { keys: this.#keys, text: id };
    // A path names the key in that file, whatever its id.
    return { keys: inFile, text: inFile.length === 1 && inFile[0] !== undefined ? inFile[0].getFingerprint() : id };
  }

  /** The key with as many of its parts unlocked as the passphrases open; undefined when that is none. */
  #unlock(key: PrivateKey): Promise<PrivateKey | undefined> {
    const fingerprint = key.getFingerprint();
    let unlocking = this.#unlocked.get(fingerprint);
    if (unlocking === undefined) {
      unlocking = unlockKey(key, this.#passphrases);
      this.#unlocked.set(fingerprint, unlocking);
    }
    return unlocking;
  }
}

/** Subkeys may each have a passphrase of their own, or be missing (offline primary keys, cards). */
async function unlockKey(key: PrivateKey, passphrases: readonly Secret[]): Promise<PrivateKey | undefined> {
  let opened = 0;
  for (const { keyPacket } of key.getKeys() as (PrivateKey | Subkey)[]) {
    if (!('privateParams' in keyPacket) || keyPacket.isDummy()) continue;
    for (const passphrase of passphrases) {
      if (keyPacket.isDecrypted()) break;
      const text = passphrase.use((bytes) => new TextDecoder().decode(bytes));
      await keyPacket.decrypt(text).catch(() => undefined);
    }
    if (keyPacket.isDecrypted()) opened += 1;
  }
  return opened > 0 ? key : undefined;
}

function mayBeFor(candidate: KeyEncryptedSessionKey, key: Key): boolean {
  if (asKeyId(candidate.keyId) === undefined || /^0+$/.test(candidate.keyId)) return true;
  return key.getKeys().some((part) => idOf(part) === candidate.keyId);
}

/** The library decrypts messages; it is given one of this packet and an empty body. */
async function decryptOne(
  library: Library,
  candidate: KeyEncryptedSessionKey,
  key: PrivateKey,
): Promise<SessionKey | undefined> {
  const config = readingConfig(library);
  const emptyData = packet(TAG.encryptedMdc, Uint8Array.of(1));
  const binaryMessage = Buffer.concat([packet(TAG.publicKeySessionKey, candidate.body), emptyData]);
  try {
    const message = await library.readMessage({ binaryMessage, config });
    const [found] = await library.decryptSessionKeys({ message, decryptionKeys: key, config });
    if (found === undefined || found.algorithm === null) return undefined;
    const cipher = cipherById(library.enums.symmetric[found.algorithm]);
    return cipher === undefined ? undefined : { cipher, key: found.data };
  } catch {
    // Not for this key, or damaged: another packet or key may do.
    return undefined;
  }
}

function lockedKey(keyIds: readonly string[]): OpenPgpError {
  return new OpenPgpError('key-passphrase', `The secret key ${keyIds.join(', ')} can't be unlocked`, { keyIds });
}
