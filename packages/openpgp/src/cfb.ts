/**
 * CFB decryption as a stream. For AES it is done as ECB encryption of the previous ciphertext,
 * XORed over words: 2.2 GB/s, where the native CFB decryption, which can't run blocks side by side,
 * reaches 0.5 (`npm run bench`).
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { SessionKey } from './algorithms.js';

export interface StreamCipher {
  /** Plaintext of the next ciphertext; the result is the caller's. */
  update(bytes: Uint8Array): Uint8Array;
}

/** CFB with a zero IV, for a cipher that node:crypto has. */
export function createCfbDecryptor(sessionKey: SessionKey): StreamCipher {
  const { cipher, key } = sessionKey;
  if (cipher.node === undefined) throw new Error(`${cipher.name} is not in node:crypto`);
  if (cipher.node.startsWith('aes-')) return new EcbCfbDecryptor(cipher.node, key);
  return createDecipheriv(`${cipher.node}-cfb`, key, new Uint8Array(cipher.blockBytes));
}

const BLOCK = 16;

class EcbCfbDecryptor implements StreamCipher {
  readonly #ecb: ReturnType<typeof createCipheriv>;
  /** Ciphertext: the previous block, then what is being decrypted, moved here to follow it. */
  #work = new Uint8Array(BLOCK + 65_536);
  /** Key stream of an unfinished block, and how much of it is used. */
  #partial = new Uint8Array(BLOCK);
  #partialUsed = BLOCK;

  constructor(name: string, key: Uint8Array) {
    this.#ecb = createCipheriv(`${name}-ecb`, key, null).setAutoPadding(false);
  }

  update(bytes: Uint8Array): Uint8Array {
    const head = Math.min(BLOCK - this.#partialUsed, bytes.length);
    if (head === 0 && bytes.length % BLOCK === 0) return this.#blocks(bytes);
    const result = new Uint8Array(bytes.length);
    this.#withPartial(bytes.subarray(0, head), result);
    const whole = (bytes.length - head) & ~(BLOCK - 1);
    if (whole > 0) result.set(this.#blocks(bytes.subarray(head, head + whole)), head);
    const tail = bytes.subarray(head + whole);
    if (tail.length > 0) {
      this.#partial.set(this.#ecb.update(this.#work.subarray(0, BLOCK)));
      this.#partialUsed = 0;
      this.#withPartial(tail, result.subarray(head + whole));
    }
    return result;
  }

  /** Bytes within one block. Its ciphertext gathers where the next block finds its predecessor. */
  #withPartial(bytes: Uint8Array, result: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      result[i] = byte ^ (this.#partial[this.#partialUsed] as number);
      this.#work[this.#partialUsed] = byte;
      this.#partialUsed += 1;
    }
  }

  /** Whole blocks, of which there is at least one. */
  #blocks(bytes: Uint8Array): Uint8Array {
    const { length } = bytes;
    if (length === 0) return new Uint8Array(0);
    if (this.#work.length < BLOCK + length) {
      const larger = new Uint8Array(BLOCK + length);
      larger.set(this.#work.subarray(0, BLOCK));
      this.#work = larger;
    }
    const work = this.#work;
    work.set(bytes, BLOCK);
    const result = this.#ecb.update(work.subarray(0, length));
    xorInto(result, work, BLOCK, length);
    work.copyWithin(0, length, length + BLOCK);
    return result;
  }
}

/** target[i] ^= source[from + i]; `length` and `from` are multiples of 16. */
function xorInto(target: Uint8Array, source: Uint8Array, from: number, length: number): void {
  if (target.byteOffset % 4 !== 0 || (source.byteOffset + from) % 4 !== 0) {
    for (let i = 0; i < length; i++) target[i] = (target[i] as number) ^ (source[from + i] as number);
    return;
  }
  const words = new Int32Array(target.buffer, target.byteOffset, length / 4);
  const others = new Int32Array(source.buffer, source.byteOffset + from, length / 4);
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ (others[i] as number);
}
