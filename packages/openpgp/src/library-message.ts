/**
 * Messages that need an algorithm which node:crypto and node:zlib don't have (CAST5, Blowfish,
 * Twofish, BZip2) go through the `openpgp` library. It is tens of times slower, which old messages bear.
 *
 * Old ciphers are opened in memory: the library's streaming mode parses what is not yet known to be
 * good, and with a wrong key it waits for ever in one case of thirty.
 */
import { ReadableStream } from 'node:stream/web';
import type { enums, MaybeStream, WebStream } from 'openpgp';
import { type SessionKey, TAG } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import { PartGatherer, packetHeader } from './framing.js';
import { loadLibrary, readingConfig } from './library.js';
import type { SignatureTracker } from './message-signatures.js';

const CIPHER_NAMES: Readonly<Record<number, enums.symmetricNames>> = { 3: 'cast5', 4: 'blowfish', 10: 'twofish' };
/** Which hash a signature needs shows only when it is read; all that GnuPG makes are computed. */
const SIGNATURE_HASHES = [2, 3, 8, 9, 10, 11];

/** More than this is not opened in memory. Volumes of the programs that used these ciphers had 5 to 200 MB. */
const MOST_BYTES_IN_MEMORY = 512 << 20;
const MOST_PLAIN_BYTES_IN_MEMORY = 1 << 30;
const PIECE_BYTES = 1 << 20;

/**
 * The literal data of an encrypted packet (SEIPD v1), by the first session key that fits. Nothing is
 * given out before the integrity code holds; `modified` when it does with no key.
 */
export async function* openWithLibrary(
  sessionKeys: readonly SessionKey[],
  start: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const library = await loadLibrary();
  const config = { ...readingConfig(library), maxDecompressedMessageSize: MOST_PLAIN_BYTES_IN_MEMORY };
  const binaryMessage = await encryptedPacket(start, rest);
  const keys = sessionKeys.map(({ cipher, key }) => ({ data: key, algorithm: CIPHER_NAMES[cipher.id] ?? 'cast5' }));
  let failure: unknown;
  for (const sessionKey of keys) {
    try {
      const message = await library.readMessage({ binaryMessage, config });
      const result = await library.decrypt({ message, sessionKeys: sessionKey, format: 'binary', config });
      const data = result.data as Uint8Array;
      for (const hashId of SIGNATURE_HASHES) tracker?.hashWith(hashId);
      for (let at = 0; at < data.length; at += PIECE_BYTES) {
        const piece = data.subarray(at, at + PIECE_BYTES);
        tracker?.update(piece);
        yield piece;
      }
      await addSignatures(result, tracker);
      return;
    } catch (error) {
      failure = error;
    }
  }
  throw translate(failure);
}

async function encryptedPacket(start: Uint8Array, rest: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [Uint8Array.of(1), start];
  let length = 1 + start.length;
  for await (const piece of rest) {
    parts.push(piece);
    length += piece.length;
    if (length > MOST_BYTES_IN_MEMORY) {
      throw new OpenPgpError('unsupported', 'A message with this old cipher is too large to be opened here');
    }
  }
  return Buffer.concat([packetHeader(TAG.encryptedMdc, length), ...parts]);
}

/** The literal data of a compressed packet's body, whose algorithm octet was read already. */
export async function* decompressWithLibrary(
  algorithm: number,
  body: AsyncIterable<Uint8Array>,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const library = await loadLibrary();
  const config = readingConfig(library);
  yield* readThrough(compressedPacket(algorithm, body), tracker, async (binaryMessage) => {
    const message = await library.readMessage({ binaryMessage, config });
    return library.verify({ message, verificationKeys: [], format: 'binary', config });
  });
}

async function* compressedPacket(algorithm: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const parts = new PartGatherer(TAG.compressed, new Uint8Array(0));
  yield parts.push(Uint8Array.of(algorithm)).slice();
  for await (const piece of body) yield parts.push(piece).slice();
  yield parts.end().slice();
}

interface LibraryResult {
  readonly data: MaybeStream<string | Uint8Array>;
  readonly signatures: readonly {
    verified: Promise<true>;
    signature: Promise<{ packets: readonly { write(): Uint8Array }[] }>;
  }[];
}

async function* readThrough(
  source: AsyncIterable<Uint8Array>,
  tracker: SignatureTracker | undefined,
  read: (message: WebStream<Uint8Array>) => Promise<LibraryResult>,
): AsyncGenerator<Uint8Array, void, undefined> {
  // The library wraps errors of its source; the source's own says more.
  let sourceError: unknown;
  async function* watched(): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of source) if (piece.length > 0) yield piece;
    } catch (error) {
      sourceError = error;
      throw error;
    }
  }
  for (const hashId of SIGNATURE_HASHES) tracker?.hashWith(hashId);
  try {
    const result = await read(ReadableStream.from(watched()) as WebStream<Uint8Array>);
    quieten(result);
    for await (const piece of result.data as AsyncIterable<Uint8Array>) {
      tracker?.update(piece);
      yield piece;
    }
    await addSignatures(result, tracker);
  } catch (error) {
    if (sourceError !== undefined) throw sourceError;
    throw translate(error);
  }
}

/** Signatures are checked elsewhere; what the library thinks of them must not become an unhandled rejection. */
function quieten(result: LibraryResult): void {
  for (const { verified, signature } of result.signatures) {
    verified.catch(() => undefined);
    signature.catch(() => undefined);
  }
}

async function addSignatures(result: LibraryResult, tracker: SignatureTracker | undefined): Promise<void> {
  quieten(result);
  if (tracker === undefined) return;
  for (const { signature } of result.signatures) {
    for (const packet of (await signature).packets) tracker.add(packet.write());
  }
}

function translate(error: unknown): unknown {
  if (error instanceof OpenPgpError || !(error instanceof Error)) return error;
  if (/Modification detected/.test(error.message)) {
    return new OpenPgpError('modified', 'The integrity check of the message failed', { cause: error });
  }
  if (/Maximum decompressed message size/.test(error.message)) {
    return new OpenPgpError('too-large', 'The message unpacks to more than can be opened in memory', { cause: error });
  }
  return new OpenPgpError('damaged', 'The content of the message is broken', { cause: error });
}
