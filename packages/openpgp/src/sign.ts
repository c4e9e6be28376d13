/**
 * Making one-pass signatures over a message's data. The data is hashed here as it streams by; only
 * its digest goes to the secret key, which may sit in this process, in gpg-agent or on a card.
 */
import { createHash } from 'node:crypto';
import type { AnySecretKeyPacket } from 'openpgp';
import { hashById, SHA256, TAG } from './algorithms.js';
import { packet } from './framing.js';
import { loadLibrary, wholeConfig, writingConfig } from './library.js';
import type { Signer } from './seal.js';
import { signatureTrailer } from './verify.js';

/** A secret key, wherever it is: a digest → the integers of the signature, encoded as in a packet. */
export interface DigestSigner {
  readonly keyId: string;
  /** 40 hexadecimal digits. */
  readonly fingerprint: string;
  /** OpenPGP's number of the public-key algorithm. */
  readonly algorithm: number;
  readonly hashId: number;
  sign(digest: Uint8Array): Promise<Uint8Array>;
}

const SIGNATURE_VERSION = 4;
const BINARY_SIGNATURE = 0;
const SUBPACKET = { created: 2, issuer: 16, issuerFingerprint: 33 } as const;

export function makeSigner(key: DigestSigner): Signer {
  const hashName = hashById(key.hashId) ?? 'sha256';
  const keyId = Buffer.from(key.keyId, 'hex');
  const isLast = 1;
  const announcement = packet(
    TAG.onePassSignature,
    Uint8Array.of(3, BINARY_SIGNATURE, key.hashId, key.algorithm, ...keyId, isLast),
  );
  return {
    begin() {
      const hash = createHash(hashName);
      return {
        announcement,
        update: (data) => {
          hash.update(data);
        },
        async finish() {
          const hashed = hashedPart(key);
          const digest = hash.update(hashed).update(signatureTrailer(hashed.length)).digest();
          const unhashed = subpacket(SUBPACKET.issuer, keyId);
          const integers = await key.sign(digest);
          return packet(
            TAG.signature,
            Buffer.concat([hashed, uint16(unhashed.length), unhashed, digest.subarray(0, 2), integers]),
          );
        },
      };
    },
  };
}

/** Version to the end of the hashed subpackets: when, and by which key. */
function hashedPart(key: DigestSigner): Uint8Array {
  const seconds = new Uint8Array(4);
  new DataView(seconds.buffer).setUint32(0, Math.floor(Date.now() / 1000), false);
  const subpackets = Buffer.concat([
    subpacket(SUBPACKET.issuerFingerprint, Uint8Array.of(4, ...Buffer.from(key.fingerprint, 'hex'))),
    subpacket(SUBPACKET.created, seconds),
  ]);
  const start = Uint8Array.of(SIGNATURE_VERSION, BINARY_SIGNATURE, key.algorithm, key.hashId);
  return Buffer.concat([start, uint16(subpackets.length), subpackets]);
}

function subpacket(type: number, body: Uint8Array): Uint8Array {
  return Uint8Array.of(body.length + 1, type, ...body);
}

function uint16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

/** A multiprecision integer (RFC 9580 section 3.2): length in bits, then the bytes without leading zeros. */
export function encodeInteger(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  if (first === -1) return uint16(0);
  const significant = bytes.subarray(first);
  const bits = (significant.length - 1) * 8 + (32 - Math.clz32(significant[0] as number));
  return Buffer.concat([uint16(bits), significant]);
}

/** The hash that suits a key: as strong as the curve, as gpg chooses. */
export function hashForKey(curve: string | undefined): number {
  if (curve === 'nistP384' || curve === 'brainpoolP384r1') return 9;
  if (curve === 'nistP521' || curve === 'brainpoolP512r1') return 10;
  return SHA256;
}

/** A secret key in this process; it must be unlocked. */
export async function signWithLibrary(secret: AnySecretKeyPacket): Promise<DigestSigner> {
  const library = await loadLibrary();
  const hashAlgorithm = hashForKey(secret.getAlgorithmInfo().curve);
  /** The library signs packets; this one hands it the digest of a message that it never sees. */
  class DigestSignature extends library.SignaturePacket {
    digest: Uint8Array = new Uint8Array(0);
    toHash(): undefined {
      return undefined;
    }
    hash(): Promise<Uint8Array> {
      return Promise.resolve(this.digest);
    }
  }
  return {
    keyId: secret.getKeyID().toHex(),
    fingerprint: secret.getFingerprint(),
    algorithm: secret.algorithm,
    hashId: hashAlgorithm,
    async sign(digest) {
      const signature = new DigestSignature();
      signature.digest = digest;
      signature.signatureType = library.enums.signature.binary;
      signature.publicKeyAlgorithm = secret.algorithm;
      signature.hashAlgorithm = hashAlgorithm;
      const sign = signature.sign.bind(signature) as (...args: readonly unknown[]) => Promise<void>;
      await sign(secret, new Uint8Array(0), new Date(), false, wholeConfig(library, writingConfig()));
      const { writeParams } = signature as unknown as { writeParams(): Uint8Array };
      return writeParams.call(signature);
    },
  };
}
