/** The packets in front of the encrypted data: who can open it, and with which key. */
import { createDecipheriv } from 'node:crypto';
import { type AeadWrappedKey, unwrapAeadKey } from './aead.js';
import { type Cipher, cipherById, type SessionKey, TAG } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import { type PacketStart, type PieceReader, readPacket } from './packet-reader.js';
import { deriveKeyCached, parseS2k, type S2k } from './s2k.js';
import type { Secret } from './secret.js';

/** A session key encrypted to a public key (PKESK). */
export interface KeyEncryptedSessionKey {
  /** 16 upper-case hexadecimal digits; all zero for a hidden recipient. */
  readonly keyId: string;
  /** OpenPGP's number of the public-key algorithm. */
  readonly algorithm: number;
  /** The packet's body as it was read. */
  readonly body: Uint8Array;
}

/** A session key encrypted to a passphrase (SKESK v4, and v5 with OCB). */
interface PassphraseSessionKey {
  readonly cipher: Cipher;
  readonly s2k: S2k;
  /** Empty: the derived key itself is the session key. */
  readonly wrapped: Uint8Array | AeadWrappedKey;
}

export interface MessageHead {
  readonly forKeys: readonly KeyEncryptedSessionKey[];
  readonly forPassphrases: readonly PassphraseSessionKey[];
  /** The encrypted data packet. */
  readonly data: PacketStart;
}

/** gpg allows about this many; each passphrase packet costs a derivation of up to 65 MB of hashing. */
const MOST_KEY_PACKETS = 256;
const MOST_PASSPHRASE_PACKETS = 8;
/** An RSA 16384 session key takes 2,060 bytes. */
const MOST_PACKET_BYTES = 8192;

/** Reads up to and including the header of the encrypted data. */
export async function readMessageHead(reader: PieceReader): Promise<MessageHead> {
  const forKeys: KeyEncryptedSessionKey[] = [];
  const forPassphrases: PassphraseSessionKey[] = [];
  let isFirst = true;
  for (let packet = await readPacket(reader); packet !== undefined; packet = await readPacket(reader)) {
    switch (packet.tag) {
      case TAG.publicKeySessionKey: {
        const body = await packet.body.readAll(MOST_PACKET_BYTES);
        const parsed = parseKeyPacket(body);
        if (parsed !== undefined) forKeys.push(parsed);
        if (forKeys.length > MOST_KEY_PACKETS) throw refusedCount();
        break;
      }
      case TAG.symmetricSessionKey: {
        const body = await packet.body.readAll(MOST_PACKET_BYTES);
        forPassphrases.push(parsePassphrasePacket(body));
        if (forPassphrases.length > MOST_PASSPHRASE_PACKETS) throw refusedCount();
        break;
      }
      case TAG.marker:
      case TAG.padding:
        await packet.body.readAll(MOST_PACKET_BYTES);
        break;
      case TAG.encryptedMdc:
      case TAG.encryptedAead:
      case TAG.encryptedOld:
        return { forKeys, forPassphrases, data: packet };
      case TAG.compressed:
      case TAG.literal:
      case TAG.signature:
      case TAG.onePassSignature:
        throw new OpenPgpError('not-encrypted', 'This OpenPGP message is not encrypted');
      default:
        if (isFirst) throw new OpenPgpError('not-openpgp', 'This is not an OpenPGP message');
        throw new OpenPgpError('damaged', `Unexpected packet ${packet.tag} in front of the encrypted data`);
    }
    isFirst = false;
  }
  if (isFirst) throw new OpenPgpError('truncated', 'The message is empty');
  throw new OpenPgpError('truncated', 'The message ends before its encrypted data');
}

function parseKeyPacket(body: Uint8Array): KeyEncryptedSessionKey | undefined {
  // Version 6 belongs to keys that GnuPG does not make; another recipient's packet is no error.
  if (body[0] !== 3) return undefined;
  if (body.length < 12) throw new OpenPgpError('damaged', 'A session key packet is too short');
  return {
    keyId: Buffer.from(body.subarray(1, 9)).toString('hex').toUpperCase(),
    algorithm: body[9] as number,
    body,
  };
}

function parsePassphrasePacket(body: Uint8Array): PassphraseSessionKey {
  const version = body[0];
  if (version !== 4 && version !== 5) {
    throw new OpenPgpError('unsupported', `Unknown version ${version} of a session key packet`);
  }
  const cipher = cipherById(body[1] ?? 0);
  if (cipher === undefined) throw new OpenPgpError('unsupported', `Unknown cipher ${body[1]}`);
  const specifier = version === 4 ? 2 : 3;
  const { s2k, length } = parseS2k(body.subarray(specifier));
  const rest = body.slice(specifier + length);
  return { cipher, s2k, wrapped: version === 4 ? rest : { mode: body[2] ?? 0, sealed: rest } };
}

function refusedCount(): OpenPgpError {
  return new OpenPgpError('refused', 'The message names more recipients than any program writes');
}

/** Every session key that a passphrase could mean, likely ones first; whether one fits, the data must tell. */
export function* sessionKeysFromPassphrase(head: MessageHead, passphrase: Secret): Generator<SessionKey> {
  for (const { cipher, s2k, wrapped } of head.forPassphrases) {
    const derived = deriveKeyCached(passphrase, s2k, cipher.keyBytes);
    const sessionKey = unwrap(cipher, derived, wrapped);
    if (sessionKey !== undefined) yield sessionKey;
  }
}

function unwrap(cipher: Cipher, derived: Uint8Array, wrapped: Uint8Array | AeadWrappedKey): SessionKey | undefined {
  if (!('length' in wrapped)) return unwrapAeadKey(cipher, derived, wrapped);
  if (wrapped.length === 0) return { cipher, key: derived };
  if (cipher.node === undefined) throw new OpenPgpError('unsupported', `${cipher.name} around a session key`);
  const decipher = createDecipheriv(`${cipher.node}-cfb`, derived, new Uint8Array(cipher.blockBytes));
  return parseSessionKey(decipher.update(wrapped));
}

/** Algorithm octet and key, or undefined when the bytes can't be that: a wrong passphrase. */
export function parseSessionKey(bytes: Uint8Array): SessionKey | undefined {
  const cipher = cipherById(bytes[0] ?? 0);
  if (cipher === undefined || bytes.length !== 1 + cipher.keyBytes) return undefined;
  return { cipher, key: bytes.subarray(1) };
}
