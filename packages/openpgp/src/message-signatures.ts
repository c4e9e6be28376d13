/**
 * Signatures over a message's data: hashing it while it streams by. Nothing here names the library, so that the types of this
 * package don't lead to the library's.
 */
import { createHash, type Hash } from 'node:crypto';
import { hashById } from './algorithms.js';
import { OpenPgpError } from './errors.js';

/** OpenPGP's type for a signature over binary data. */
export const BINARY_SIGNATURE = 0x00;
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
