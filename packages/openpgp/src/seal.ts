/**
 * Writing one encrypted message (RFC 9580 section 10.3), in the shape that a synchronous pipeline
 * with compressing workers needs:
 *
 *   data ─► frame() ─► the caller compresses (raw deflate) ─► encrypt() ─► bytes to store
 *
 * The packets are those that gpg writes for duplicity: session keys (SKESK v4, PKESK v3), then
 * encrypted data with MDC (SEIPD v1), in it compressed data, in it the optional one-pass signature
 * and the literal data.
 */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import { adler32, DeflateRing, type DeflateRingOptions, deflate } from '@redup/compress';
import { AES256, COMPRESSION, cipherById, type SessionKey, SHA256, TAG } from './algorithms.js';
import { PartFramer, PartGatherer, packet, WholeFramer } from './framing.js';
import { decodeCount, deriveKey, S2K_COUNT_OCTET } from './s2k.js';
import type { Secret } from './secret.js';

/** Somebody who shall be able to decrypt: a public key from any key source. */
export interface Recipient {
  /** A PKESK packet with the session key; a hidden one names no key id. */
  encryptSessionKey(sessionKey: SessionKey, visibility: 'named' | 'hidden'): Promise<Uint8Array>;
}

/** A key that signs, in this process or in an agent. */
export interface Signer {
  /** Begins a signature over one message's data. */
  begin(): SignatureInProgress;
}

export interface SignatureInProgress {
  /** The one-pass signature packet that announces the signature. */
  readonly announcement: Uint8Array;
  update(data: Uint8Array): void;
  /** The signature packet. */
  finish(): Promise<Uint8Array>;
}

export interface SealOptions {
  /** Anybody with this passphrase can decrypt. */
  readonly passphrase?: Secret;
  readonly recipients?: readonly Recipient[];
  /** Recipients whose key ids the message does not show. */
  readonly hiddenRecipients?: readonly Recipient[];
  readonly signer?: Signer;
  /**
   * What `encrypt` will be given: `zip` and `zlib` raw deflate blocks, `none` the framed bytes
   * themselves. gpg uses zip with a passphrase and zlib with keys; zip costs less here and all read it.
   */
  readonly compression: 'zip' | 'zlib' | 'none';
  /**
   * Bytes of data to come, if they are known and at most `MOST_KNOWN_BYTES`. Then `frame(NO_BYTES)` gives all that stands before
   * the data, and `frame(data)` the data themselves: what is compressed of them can serve elsewhere too.
   */
  readonly dataBytes?: number;
  /** The octet that encodes the passphrase derivation's count; default 0xff, 65,011,712 bytes hashed. */
  readonly s2kCountOctet?: number;
}

/** One message being written. All methods but `finishFrame` are synchronous. */
export interface Seal {
  /** The bytes to compress for `data`: views of it and small buffers, valid until the next call. */
  frame(data: Uint8Array): Uint8Array[];
  /** Ends the data: the last bytes to compress. Asks an agent for the signature if there is one. */
  finishFrame(): Promise<Uint8Array[]>;
  /** The bytes to store for this much compressed output; a view valid until the next call. */
  encrypt(compressed: Uint8Array): Uint8Array;
  /** The last bytes to store, when all compressed output went through `encrypt`. */
  finish(): Uint8Array;
}

/** Begins a message. Needs a passphrase or at least one recipient. */
export async function createSeal(options: SealOptions): Promise<Seal> {
  const { sessionKey, packets } = await makeSessionKey(options);
  try {
    return new MessageSeal(options, sessionKey, packets);
  } finally {
    sessionKey.key.fill(0);
  }
}

/** Seals `source` as one message. The pieces belong to the caller. `ring` lends compressing workers; see `DeflateRing`. */
export async function* seal(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  options: SealOptions & { readonly ring?: DeflateRingOptions },
): AsyncGenerator<Uint8Array, void, undefined> {
  const message = await createSeal(options);
  const framed = frames(source, message);
  if (options.compression === 'none') {
    for await (const piece of framed) yield* copyOf(message.encrypt(piece));
  } else {
    const ring = DeflateRing.create(options.ring);
    try {
      for await (const chunk of deflate(framed, ring)) yield* copyOf(message.encrypt(chunk.output));
    } finally {
      await ring.close();
    }
  }
  yield* copyOf(message.finish());
}

/** Seals a small object in one go, compressing in this thread. */
export async function sealBytes(bytes: Uint8Array, options: SealOptions): Promise<Uint8Array> {
  const slots = 1;
  const chunkBytes = Math.min(262_144, bytes.length + 4096);
  const parts: Uint8Array[] = [];
  for await (const part of seal([bytes], { ...options, ring: { workers: 0, slots, chunkBytes } })) parts.push(part);
  return Buffer.concat(parts);
}

async function* frames(
  source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  message: Seal,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of source) yield* message.frame(piece);
  yield* await message.finishFrame();
}

function* copyOf(view: Uint8Array): Generator<Uint8Array, void, undefined> {
  if (view.length > 0) yield view.slice();
}

/** The session key and the packets that carry it. */
async function makeSessionKey(options: SealOptions): Promise<{ sessionKey: SessionKey; packets: Uint8Array }> {
  const cipher = cipherById(AES256);
  if (cipher === undefined) throw new Error('AES256 is missing from the table of ciphers');
  const named = options.recipients ?? [];
  const hidden = options.hiddenRecipients ?? [];
  const { passphrase } = options;
  if (named.length + hidden.length === 0) {
    if (passphrase === undefined) throw new TypeError('A message needs a passphrase or a recipient');
    // As gpg does without recipients: the passphrase's key is the session key. Its salt is new for
    // each message, so is the key.
    const { key, specifier } = deriveFreshKey(passphrase, cipher.keyBytes, options.s2kCountOctet);
    return {
      sessionKey: { cipher, key },
      packets: packet(TAG.symmetricSessionKey, Buffer.concat([Uint8Array.of(4, cipher.id), specifier])),
    };
  }
  const sessionKey: SessionKey = { cipher, key: new Uint8Array(randomBytes(cipher.keyBytes)) };
  const packets: Uint8Array[] = [];
  for (const recipient of named) packets.push(await recipient.encryptSessionKey(sessionKey, 'named'));
  for (const recipient of hidden) packets.push(await recipient.encryptSessionKey(sessionKey, 'hidden'));
  if (passphrase !== undefined) packets.push(wrapForPassphrase(sessionKey, passphrase, options.s2kCountOctet));
  return { sessionKey, packets: Buffer.concat(packets) };
}

/** A SKESK with the session key encrypted in it: CFB with a zero IV, safe because the salt is new each time. */
function wrapForPassphrase(sessionKey: SessionKey, passphrase: Secret, countOctet: number | undefined): Uint8Array {
  const { key, specifier } = deriveFreshKey(passphrase, sessionKey.cipher.keyBytes, countOctet);
  const cipher = createCipheriv('aes-256-cfb', key, new Uint8Array(16));
  key.fill(0);
  const wrapped = cipher.update(Buffer.concat([Uint8Array.of(sessionKey.cipher.id), sessionKey.key]));
  return packet(TAG.symmetricSessionKey, Buffer.concat([Uint8Array.of(4, AES256), specifier, wrapped]));
}

function deriveFreshKey(
  passphrase: Secret,
  keyBytes: number,
  countOctet = S2K_COUNT_OCTET,
): { key: Uint8Array; specifier: Uint8Array } {
  const salt = new Uint8Array(randomBytes(8));
  const count = decodeCount(countOctet);
  // SHA-256 rather than gpg's SHA-1: one pass gives the whole key, SHA-1 needs two. All readers know it.
  const key = deriveKey(passphrase, { type: 3, hashId: SHA256, salt, count }, keyBytes);
  return { key, specifier: Uint8Array.of(3, SHA256, ...salt, countOctet) };
}

const NO_BYTES = new Uint8Array(0);
/** Most of `dataBytes`: what the length in a packet's header can say. */
export const MOST_KNOWN_BYTES = 2 ** 32 - 1 - 6;
/** Mode `b`, no name, no date: what duplicity's messages show, and nothing about the files. */
const LITERAL_HEADER = Uint8Array.of(0x62, 0, 0, 0, 0, 0);
/** Old-format header of compressed data that reaches to the end of the encrypted packet, as gpg writes it. */
const COMPRESSED_HEADER = 0xa3;
/** RFC 1950: deflate with a 32 KiB window. */
const ZLIB_HEADER = [0x78, 0x9c];
/** Header of the modification detection code; it is part of what is hashed. */
const MDC_HEADER = Uint8Array.of(0xc0 | TAG.mdc, 20);

class MessageSeal implements Seal {
  readonly #literal: PartFramer | WholeFramer;
  readonly #cipher: ReturnType<typeof createCipheriv>;
  readonly #hash = createHash('sha1');
  readonly #parts: PartGatherer;
  readonly #compression: SealOptions['compression'];
  readonly #signature: SignatureInProgress | undefined;
  #adler = 1;
  #hasFramed = false;
  #hasEncrypted = false;

  constructor(options: SealOptions, sessionKey: SessionKey, sessionKeyPackets: Uint8Array) {
    this.#cipher = createCipheriv('aes-256-cfb', sessionKey.key, new Uint8Array(16));
    this.#parts = new PartGatherer(TAG.encryptedMdc, sessionKeyPackets);
    this.#compression = options.compression;
    const { dataBytes } = options;
    this.#literal =
      dataBytes === undefined
        ? new PartFramer(TAG.literal)
        : new WholeFramer(TAG.literal, LITERAL_HEADER.length + dataBytes);
    this.#signature = options.signer?.begin();
  }

  frame(data: Uint8Array): Uint8Array[] {
    const pieces = this.#begin();
    this.#signature?.update(data);
    pieces.push(...this.#literal.push(data));
    return this.#summed(pieces);
  }

  async finishFrame(): Promise<Uint8Array[]> {
    const pieces = [...this.#begin(), ...this.#literal.end()];
    if (this.#signature !== undefined) pieces.push(await this.#signature.finish());
    return this.#summed(pieces);
  }

  encrypt(compressed: Uint8Array): Uint8Array {
    if (compressed.length === 0) return NO_BYTES;
    const start = this.#startEncryption();
    return this.#parts.push(...start, this.#cipher.update(this.#hashed(compressed)));
  }

  finish(): Uint8Array {
    const start = this.#startEncryption();
    const trailer: Uint8Array[] = [];
    if (this.#compression === 'zlib') trailer.push(this.#encrypted(bigEndian32(this.#adler)));
    trailer.push(this.#encrypted(MDC_HEADER));
    trailer.push(this.#cipher.update(this.#hash.digest()));
    return this.#parts.end(...start, ...trailer);
  }

  #begin(): Uint8Array[] {
    if (this.#hasFramed) return [];
    this.#hasFramed = true;
    const header = this.#literal.push(LITERAL_HEADER);
    return this.#signature === undefined ? header : [this.#signature.announcement, ...header];
  }

  /** Version, then 16 random bytes of which the last two are repeated, then the compressed packet's header. */
  #startEncryption(): Uint8Array[] {
    if (this.#hasEncrypted) return [];
    this.#hasEncrypted = true;
    const random = randomBytes(16);
    const prefix = [...random, random[14] as number, random[15] as number];
    if (this.#compression !== 'none') prefix.push(COMPRESSED_HEADER, COMPRESSION[this.#compression]);
    if (this.#compression === 'zlib') prefix.push(...ZLIB_HEADER);
    return [Uint8Array.of(1), this.#encrypted(Uint8Array.from(prefix))];
  }

  #encrypted(bytes: Uint8Array): Uint8Array {
    return this.#cipher.update(this.#hashed(bytes));
  }

  #hashed(bytes: Uint8Array): Uint8Array {
    this.#hash.update(bytes);
    return bytes;
  }

  /** A zlib stream ends with a sum over what was compressed, which only this side has in order. */
  #summed(pieces: Uint8Array[]): Uint8Array[] {
    if (this.#compression === 'zlib') for (const piece of pieces) this.#adler = adler32(piece, this.#adler);
    return pieces;
  }
}

function bigEndian32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, false);
  return bytes;
}
