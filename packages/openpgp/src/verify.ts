/**
 * Signatures over a message's data: hashing it while it streams by, and checking one demanded signer.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Key, KeyID, SignaturePacket } from 'openpgp';
import { hashById } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import { loadLibrary, readingConfig, wholeConfig } from './library.js';

/** OpenPGP's type for a signature over binary data. */
const BINARY_SIGNATURE = 0x00;
/** No program writes more; each announced hash costs a pass over the data. */
const MOST_SIGNATURES = 16;

/** A public key whose signature a reader demands. */
export interface TrustedSigner {
  /** Throws `unsigned`, `wrong-signer` or `bad-signature` unless one of the signatures is this key's and holds. */
  check(signatures: readonly MessageSignature[]): Promise<void>;
}

export interface MessageSignature {
  /** The body of the signature packet. */
  readonly body: Uint8Array;
  /** The hash of the data, for the packet's trailer to be added; undefined when it was not computed. */
  readonly dataHash: Hash | undefined;
}

/** Follows the packets of one message and hashes its data for whatever signatures it announces. */
export class SignatureTracker {
  readonly #hashes = new Map<number, Hash>();
  readonly #bodies: Uint8Array[] = [];

  /** A one-pass signature packet. */
  announce(body: Uint8Array): void {
    if (body[0] === 3 && body[1] === BINARY_SIGNATURE) this.hashWith(body[2] ?? 0);
  }

  /** A signature packet, behind the data or (old style) in front of it. */
  add(body: Uint8Array): void {
    this.#bodies.push(body);
    if (this.#bodies.length > MOST_SIGNATURES) {
      throw new OpenPgpError('refused', 'The message has more signatures than any program writes');
    }
  }

  /** Called when the data begins: signatures in front of it announce themselves. */
  beginData(): void {
    for (const body of this.#bodies) if (body[0] === 4) this.hashWith(body[3] ?? 0);
  }

  hashWith(hashId: number): void {
    const name = hashById(hashId);
    if (name === undefined || this.#hashes.has(hashId) || this.#hashes.size >= MOST_SIGNATURES) return;
    this.#hashes.set(hashId, createHash(name));
  }

  update(data: Uint8Array): void {
    for (const hash of this.#hashes.values()) hash.update(data);
  }

  get signatures(): MessageSignature[] {
    return this.#bodies.map((body) => ({ body, dataHash: this.#hashes.get(body[3] ?? 0) }));
  }
}

/** Demands a signature by `key`: by its primary key or by any of its signing subkeys. */
export function trustSigner(key: Key): TrustedSigner {
  return {
    async check(signatures) {
      if (signatures.length === 0) throw new OpenPgpError('unsigned', 'The message is not signed');
      const signerIds: string[] = [];
      for (const signature of signatures) {
        const packet = await parseSignature(signature.body);
        if (packet === undefined) continue;
        const isOurs = key.getKeys(packet.issuerKeyID).length > 0;
        if (!isOurs) signerIds.push(packet.issuerKeyID.toHex().toUpperCase());
        else {
          await checkSignature(key, packet, signature);
          return;
        }
      }
      const shown = signerIds.length > 0 ? signerIds.join(', ') : 'an unknown kind of key';
      throw new OpenPgpError('wrong-signer', `The message is signed by ${shown}`, { keyIds: signerIds });
    },
  };
}

async function parseSignature(body: Uint8Array): Promise<SignaturePacket | undefined> {
  const library = await loadLibrary();
  const packet = new library.SignaturePacket();
  try {
    packet.read(body);
    return packet;
  } catch {
    return undefined;
  }
}

async function checkSignature(key: Key, packet: SignaturePacket, signature: MessageSignature): Promise<void> {
  const library = await loadLibrary();
  const config = wholeConfig(library, readingConfig(library));
  const { signatureData, created } = packet;
  const keyIds = [packet.issuerKeyID.toHex().toUpperCase()];
  const fail = (cause?: unknown): never => {
    throw new OpenPgpError('bad-signature', 'The signature of the message does not hold', { keyIds, cause });
  };
  if (signatureData === null || created === null) return fail();
  if (packet.version !== 4 || packet.signatureType !== BINARY_SIGNATURE || signature.dataHash === undefined) {
    throw new OpenPgpError('bad-signature', 'The signature of the message is of an unknown kind', { keyIds });
  }
  await refuseRevoked(key, created, keyIds);
  try {
    const part = await signingPart(key, packet.issuerKeyID, created);
    const digest = signature.dataHash
      .copy()
      .update(signatureData)
      .update(signatureTrailer(signatureData.length))
      .digest();
    // The library verifies a digest that is handed to it this way; its declarations don't say so.
    Object.assign(packet, { hashed: digest });
    await packet.verify(part.keyPacket, library.enums.signature.binary, new Uint8Array(0), new Date(), false, config);
  } catch (cause) {
    fail(cause);
  }
}

/** The part of the key that made the signature, if it was valid for signing at that time. */
async function signingPart(key: Key, issuer: KeyID, at: Date): ReturnType<Key['getSigningKey']> {
  const library = await loadLibrary();
  const config = wholeConfig(library, { ...readingConfig(library), allowMissingKeyFlags: true });
  return key.getSigningKey(issuer, at, undefined, config);
}

/** Superseded or retired keys keep what they signed before; of any other revocation the date proves nothing. */
const SOFT_REVOCATIONS: readonly (number | null)[] = [1, 3];

async function refuseRevoked(key: Key, signedAt: Date, keyIds: readonly string[]): Promise<void> {
  const library = await loadLibrary();
  const config = wholeConfig(library, readingConfig(library));
  if (!(await key.isRevoked(undefined, undefined, new Date(), config))) return;
  const isSoft = key.revocationSignatures.every(
    (revocation) =>
      SOFT_REVOCATIONS.includes(revocation.reasonForRevocationFlag) &&
      revocation.created !== null &&
      revocation.created > signedAt,
  );
  if (!isSoft) throw new OpenPgpError('revoked-key', 'The key that signed the message was revoked', { keyIds });
}

/** What follows the hashed part of a version 4 signature (RFC 4880 section 5.2.4). */
export function signatureTrailer(hashedLength: number): Uint8Array {
  const trailer = new Uint8Array(6);
  trailer.set([4, 0xff]);
  new DataView(trailer.buffer).setUint32(2, hashedLength, false);
  return trailer;
}
