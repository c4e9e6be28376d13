/**
 * The encrypted data packet with MDC (SEIPD v1, RFC 9580 section 5.13.1) → the packets in it.
 *
 * What comes out is not yet known to be good: the generator ends normally only when the whole packet
 * was read and its modification detection code holds; otherwise it throws `modified`.
 */
import { createHash } from 'node:crypto';
import type { SessionKey } from './algorithms.js';
import { createCfbDecryptor } from './cfb.js';
import { OpenPgpError } from './errors.js';

/** Header (2 bytes) and SHA-1 digest of the MDC packet. */
const MDC_BYTES = 22;
const DIGEST_BYTES = 20;

/**
 * Whether a key fits: the two bytes after the random block repeat its last two. A wrong key passes
 * once in 65,536 times; the MDC decides. `start` holds a block and two bytes of ciphertext.
 */
export function passesQuickCheck(sessionKey: SessionKey, start: Uint8Array): boolean {
  const block = sessionKey.cipher.blockBytes;
  const plain = createCfbDecryptor(sessionKey).update(start.subarray(0, block + 2));
  return plain[block - 2] === plain[block] && plain[block - 1] === plain[block + 1];
}

/** Decrypts the body behind its version octet. `start` is what was read of it for the quick check. */
export async function* decryptWithMdc(
  sessionKey: SessionKey,
  start: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const cipher = createCfbDecryptor(sessionKey);
  const hash = createHash('sha1');
  const prefixBytes = sessionKey.cipher.blockBytes + 2;
  const first = cipher.update(start);
  hash.update(first.subarray(0, prefixBytes));
  // One piece is held back: the last one ends with the MDC, which is not part of the content.
  let held: Uint8Array = first.subarray(prefixBytes);
  for await (const piece of rest) {
    const plain = cipher.update(piece);
    if (held.length === 0 || plain.length < MDC_BYTES) {
      held = held.length === 0 ? plain : Buffer.concat([held, plain]);
      continue;
    }
    hash.update(held);
    yield held;
    held = plain;
  }
  const contentLength = held.length - MDC_BYTES;
  if (contentLength < 0) throw new OpenPgpError('truncated', 'The message ends before its integrity code');
  hash.update(held.subarray(0, contentLength + MDC_BYTES - DIGEST_BYTES));
  const mdc = held.subarray(contentLength);
  const holds = mdc[0] === 0xd3 && mdc[1] === DIGEST_BYTES && hash.digest().equals(mdc.subarray(2));
  if (!holds) throw new OpenPgpError('modified', 'The integrity check of the message failed');
  if (contentLength > 0) yield held.subarray(0, contentLength);
}
