/**
 * GnuPG's OCB packets (draft-koch-librepgp sections 5.3 and 5.16): the encrypted data packet with
 * tag 20, which gpg 2.3 and later write for keys that advertise it, and the passphrase packet of
 * version 5 that belongs to it. Read only: duplicity's own gpg may be older.
 *
 * Every chunk is authenticated before any of it is given out, and the closing tag covers their number.
 */
import { createDecipheriv } from 'node:crypto';
import { type Cipher, cipherById, type SessionKey } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import type { PacketBody } from './packet-reader.js';

const OCB = 2;
const IV_BYTES = 15;
const TAG_BYTES = 16;
/** 2^(16 + 6) = 4 MiB, the most that gpg writes and that this reader holds in memory. */
const MOST_CHUNK_OCTET = 16;
/** First octets of the two packets' headers, as they are authenticated. */
const DATA_HEADER = 0xd4;
const KEY_HEADER = 0xc3;

export interface AeadHeader {
  readonly cipher: Cipher;
  readonly chunkOctet: number;
  readonly iv: Uint8Array;
}

/** Reads what precedes the chunks. */
export async function readAeadHeader(body: PacketBody): Promise<AeadHeader> {
  const [version, cipherId, mode, chunkOctet] = await body.readExactly(4);
  if (version !== 1) throw new OpenPgpError('unsupported', `Unknown version ${version} of an AEAD packet`);
  const cipher = aeadCipher(cipherId, mode);
  if ((chunkOctet as number) > MOST_CHUNK_OCTET)
    throw new OpenPgpError('refused', 'The chunks of the message are too large');
  return { cipher, chunkOctet: chunkOctet as number, iv: await body.readExactly(IV_BYTES) };
}

function aeadCipher(cipherId: number | undefined, mode: number | undefined): Cipher {
  if (mode !== OCB) throw new OpenPgpError('unsupported', `Unknown AEAD mode ${mode}`);
  const cipher = cipherById(cipherId ?? 0);
  if (cipher?.node?.startsWith('aes-') !== true)
    throw new OpenPgpError('unsupported', `Unknown cipher ${cipherId} in OCB mode`);
  return cipher;
}

/** The packets inside. Ends normally only when every chunk and the closing tag hold. */
export async function* decryptAead(
  key: Uint8Array,
  header: AeadHeader,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunkBytes = 2 ** (header.chunkOctet + 6);
  const queue = new ByteQueue();
  let index = 0;
  let total = 0;
  for await (const piece of pieces) {
    queue.push(piece);
    // A chunk is known to be a whole one when its tag and the closing tag may follow it.
    while (queue.length >= chunkBytes + 2 * TAG_BYTES) {
      total += chunkBytes;
      yield openChunk(key, header, index++, queue.take(chunkBytes + TAG_BYTES));
    }
  }
  if (queue.length < TAG_BYTES) throw new OpenPgpError('truncated', 'The message ends before its closing tag');
  if (queue.length > TAG_BYTES) {
    const rest = queue.length - TAG_BYTES;
    if (rest < TAG_BYTES) throw new OpenPgpError('truncated', 'The message ends inside a tag');
    total += rest - TAG_BYTES;
    yield openChunk(key, header, index++, queue.take(rest));
  }
  openChunk(key, header, index, queue.take(TAG_BYTES), total);
}

/** Decrypts ciphertext and tag; the closing tag authenticates the total length instead of data. */
function openChunk(key: Uint8Array, header: AeadHeader, index: number, sealed: Uint8Array, total?: number): Uint8Array {
  const nonce = header.iv.slice();
  const counter = new DataView(nonce.buffer, nonce.byteOffset + IV_BYTES - 8, 8);
  counter.setBigUint64(0, counter.getBigUint64(0) ^ BigInt(index));
  const associated = new Uint8Array(total === undefined ? 13 : 21);
  associated.set([DATA_HEADER, 1, header.cipher.id, OCB, header.chunkOctet]);
  const view = new DataView(associated.buffer);
  view.setBigUint64(5, BigInt(index));
  if (total !== undefined) view.setBigUint64(13, BigInt(total));
  const plain = openOcb(header.cipher, key, nonce, associated, sealed);
  if (plain === undefined) throw new OpenPgpError('modified', 'The integrity check of the message failed');
  return plain;
}

/** The plaintext, or undefined when the tag does not hold. */
function openOcb(
  cipher: Cipher,
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  sealed: Uint8Array,
): Uint8Array | undefined {
  const name = `${cipher.node}-ocb` as 'aes-256-ocb';
  const decipher = createDecipheriv(name, key, nonce, { authTagLength: TAG_BYTES });
  const length = sealed.length - TAG_BYTES;
  decipher.setAAD(associated, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  const plain = decipher.update(sealed.subarray(0, length));
  try {
    const end = decipher.final();
    return end.length === 0 ? plain : Buffer.concat([plain, end]);
  } catch {
    return undefined;
  }
}

/** A passphrase packet of version 5, behind its string-to-key specifier: IV, sealed session key, tag. */
export interface AeadWrappedKey {
  readonly mode: number;
  readonly sealed: Uint8Array;
}

/** The session key, or undefined when the derived key does not open it: a wrong passphrase. */
export function unwrapAeadKey(cipher: Cipher, derived: Uint8Array, wrapped: AeadWrappedKey): SessionKey | undefined {
  aeadCipher(cipher.id, wrapped.mode);
  const iv = wrapped.sealed.subarray(0, IV_BYTES);
  const sealed = wrapped.sealed.subarray(IV_BYTES);
  if (sealed.length < TAG_BYTES) throw new OpenPgpError('damaged', 'A session key packet is too short');
  const key = openOcb(cipher, derived, iv, Uint8Array.of(KEY_HEADER, 5, cipher.id, OCB), sealed);
  return key?.length === cipher.keyBytes ? { cipher, key } : undefined;
}

/** Bytes that come in pieces of any size and go out in pieces of another. */
class ByteQueue {
  #pieces: Uint8Array[] = [];
  length = 0;

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
    this.length += piece.length;
  }

  take(count: number): Uint8Array {
    const all = this.#pieces.length === 1 ? (this.#pieces[0] as Uint8Array) : Buffer.concat(this.#pieces, this.length);
    this.#pieces = [all.subarray(count)];
    this.length -= count;
    return all.subarray(0, count);
  }
}
