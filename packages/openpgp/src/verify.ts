/**
 * Checking the signatures of a message: one demanded signer.
 */
import type { Key, KeyID, SignaturePacket } from 'openpgp';
import { OpenPgpError } from './errors.js';
import { loadLibrary, readingConfig, wholeConfig } from './library.js';
import { BINARY_SIGNATURE, type MessageSignature, type TrustedSigner } from './message-signatures.js';

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
