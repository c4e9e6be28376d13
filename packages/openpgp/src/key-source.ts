/** What a place with keys can do: a GnuPG home, key files, or several of them together. */
import type { SessionKey } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import type { TrustedSigner } from './message-signatures.js';
import type { Recipient, Signer } from './seal.js';
import type { KeyEncryptedSessionKey } from './session-keys.js';

/**
 * Keys are named by short or long id, by fingerprint (of the key or of a subkey; spaces, case and
 * `0x` don't matter), or by an e-mail address or other part of a user id. Looking up throws
 * `unknown-key`, `ambiguous-key`, `expired-key`, `revoked-key` or `unusable-key`.
 */
export interface KeySource {
  /** A key to encrypt to. */
  recipient(id: string): Promise<Recipient>;
  /** A key to sign with, unlocked: a wrong passphrase (`key-passphrase`) shows here, not after the first volume. */
  signer(id: string): Promise<Signer>;
  /** A public key whose signatures are demanded. */
  trustedSigner(id: string): Promise<TrustedSigner>;
  /** The session key of a message, from any of its packets, or undefined when no secret key fits. */
  decryptSessionKey(packets: readonly KeyEncryptedSessionKey[]): Promise<SessionKey | undefined>;
}

/** Asks `sources` one after the other; the first that knows the key answers. */
export function combineKeySources(...sources: readonly KeySource[]): KeySource {
  const firstThatKnows = async <T>(id: string, look: (source: KeySource) => Promise<T>): Promise<T> => {
    for (const source of sources) {
      try {
        return await look(source);
      } catch (error) {
        if (!(error instanceof OpenPgpError) || error.code !== 'unknown-key') throw error;
      }
    }
    throw unknownKey(id);
  };
  return {
    recipient: (id) => firstThatKnows(id, (source) => source.recipient(id)),
    signer: (id) => firstThatKnows(id, (source) => source.signer(id)),
    trustedSigner: (id) => firstThatKnows(id, (source) => source.trustedSigner(id)),
    async decryptSessionKey(packets) {
      // A key that stays locked in one source may be open in the next.
      let locked: unknown;
      for (const source of sources) {
        try {
          const sessionKey = await source.decryptSessionKey(packets);
          if (sessionKey !== undefined) return sessionKey;
        } catch (error) {
          locked ??= error;
        }
      }
      if (locked !== undefined) throw locked;
      return undefined;
    },
  };
}

export function unknownKey(id: string): OpenPgpError {
  return new OpenPgpError('unknown-key', `No key is known as ${id}`, { keyIds: [id] });
}
