/**
 * String-to-key (RFC 9580 section 3.7): a passphrase → a symmetric key. Types 0, 1 and 3 are read;
 * 3 (iterated and salted) is written. Argon2 belongs to messages that GnuPG does not write.
 */
import { createHash } from 'node:crypto';
import { hashById } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import type { Secret } from './secret.js';

export interface S2k {
  readonly type: 0 | 1 | 3;
  readonly hashId: number;
  /** 8 bytes; empty for type 0. */
  readonly salt: Uint8Array;
  /** Bytes to hash; at least one pass over salt and passphrase in any case. */
  readonly count: number;
}

/** The greatest count that can be expressed, and what gpg uses on any current machine: 65,011,712 bytes. */
export const S2K_COUNT_OCTET = 0xff;

export function decodeCount(octet: number): number {
  return (16 + (octet & 15)) << ((octet >> 4) + 6);
}

/** Reads the specifier at the start of `bytes`; returns it and the number of bytes it takes. */
export function parseS2k(bytes: Uint8Array): { s2k: S2k; length: number } {
  const type = bytes[0];
  const hashId = bytes[1] ?? 0;
  const length = type === 0 ? 2 : type === 1 ? 10 : 11;
  if (type !== 0 && type !== 1 && type !== 3) {
    throw new OpenPgpError('unsupported', `Unknown kind of passphrase derivation (${type ?? 'missing'})`);
  }
  if (bytes.length < length) throw new OpenPgpError('damaged', 'A session key packet is too short');
  if (hashById(hashId) === undefined) throw new OpenPgpError('unsupported', `Unknown hash algorithm ${hashId}`);
  return {
    s2k: {
      type,
      hashId,
      salt: type === 0 ? new Uint8Array(0) : bytes.slice(2, 10),
      count: type === 3 ? decodeCount(bytes[10] as number) : 0,
    },
    length,
  };
}

/** Derived keys per passphrase: a chain read twice, or made by one run with one salt, derives once. */
const derived = new WeakMap<Secret, Map<string, Uint8Array>>();
const CACHED_KEYS = 64;

/** `deriveKey`, remembered for as long as the secret lives. For reading, where the same salts return. */
export function deriveKeyCached(secret: Secret, s2k: S2k, keyBytes: number): Uint8Array {
  let keys = derived.get(secret);
  if (keys === undefined) {
    keys = new Map();
    derived.set(secret, keys);
  }
  const name = `${s2k.type}:${s2k.hashId}:${s2k.count}:${keyBytes}:${Buffer.from(s2k.salt).toString('hex')}`;
  let key = keys.get(name);
  if (key === undefined) {
    key = deriveKey(secret, s2k, keyBytes);
    const oldest = keys.keys().next();
    if (keys.size >= CACHED_KEYS && oldest.done !== true) keys.delete(oldest.value);
    keys.set(name, key);
  }
  return key;
}

/** Hashes as many contexts as the key needs; context n starts with n zero bytes. */
export function deriveKey(secret: Secret, s2k: S2k, keyBytes: number): Uint8Array {
  const hashName = hashById(s2k.hashId);
  if (hashName === undefined) throw new OpenPgpError('unsupported', `Unknown hash algorithm ${s2k.hashId}`);
  return secret.use((passphrase) => {
    const unit = Buffer.concat([s2k.salt, passphrase]);
    // One update per 64 KiB: the hash runs at full speed instead of paying for a call per passphrase.
    const repeats = Math.max(1, Math.floor(65_536 / Math.max(1, unit.length)));
    const block = s2k.type === 3 ? Buffer.concat(Array.from({ length: repeats }, () => unit)) : unit;
    const total = Math.max(s2k.count, unit.length);
    const key = new Uint8Array(keyBytes);
    try {
      for (let filled = 0, context = 0; filled < keyBytes; context++) {
        const hash = createHash(hashName).update(new Uint8Array(context));
        let left = total;
        for (; left >= block.length && block.length > 0; left -= block.length) hash.update(block);
        if (left > 0) hash.update(block.subarray(0, left));
        const digest = hash.digest();
        key.set(digest.subarray(0, keyBytes - filled), filled);
        filled += digest.length;
        digest.fill(0);
      }
      return key;
    } finally {
      unit.fill(0);
      block.fill(0);
    }
  });
}
