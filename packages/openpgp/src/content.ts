/**
 * What is inside the encrypted data: compressed or not, one literal packet with its signatures, and
 * nothing nested. Anything else is damage or an attack.
 */
import { CompressError, inflate, inflateRaw } from '@redup/compress';
import { COMPRESSION, TAG } from './algorithms.js';
import { OpenPgpError } from './errors.js';
import { decompressWithLibrary } from './library-message.js';
import type { SignatureTracker } from './message-signatures.js';
import { type PacketBody, type PacketStart, PieceReader, readPacket } from './packet-reader.js';

/**
 * The literal data in what was decrypted. When its structure is broken, the rest is still read: if
 * the integrity code does not hold either, that is the error to report, for it says what happened.
 */
export async function* readContent(
  decrypted: AsyncIterable<Uint8Array>,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = decrypted[Symbol.asyncIterator]();
  let streamError: unknown;
  const next = async (): Promise<IteratorResult<Uint8Array>> => {
    try {
      return await stream.next();
    } catch (error) {
      streamError = error;
      throw error;
    }
  };
  // Without `return`: readers that give up on the content must not end the decryption.
  const reader = new PieceReader({ [Symbol.asyncIterator]: () => ({ next }) });
  try {
    yield* readPackets(reader, tracker);
    if (await reader.fill()) throw new OpenPgpError('damaged', 'Unexpected packet behind the content');
  } catch (error) {
    if (streamError !== undefined) throw streamError;
    for (let rest = await stream.next(); rest.done !== true; rest = await stream.next());
    throw asContentError(error);
  } finally {
    await stream.return?.();
  }
}

async function* readPackets(
  reader: PieceReader,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const first = await readPacket(reader);
  if (first?.tag !== TAG.compressed) {
    yield* readPlain(reader, first, tracker);
    return;
  }
  const algorithm = (await first.body.readExactly(1))[0] as number;
  if (algorithm === COMPRESSION.bzip2) {
    yield* decompressWithLibrary(algorithm, first.body.pieces(), tracker);
    return;
  }
  const inner = new PieceReader(decompress(algorithm, first.body));
  try {
    yield* readPlain(inner, await readPacket(inner), tracker);
  } finally {
    await inner.close();
  }
}

function decompress(algorithm: number, body: PacketBody): AsyncIterable<Uint8Array> {
  if (algorithm === COMPRESSION.none) return body.pieces();
  // Sequoia pads with bytes behind the deflate stream; the integrity code covers them.
  if (algorithm === COMPRESSION.zip) return inflateRaw(body.pieces(), { trailingData: 'ignore' });
  if (algorithm === COMPRESSION.zlib) return inflate(body.pieces(), { trailingData: 'ignore' });
  throw new OpenPgpError('unsupported', `Unknown compression algorithm ${algorithm}`);
}

const MOST_SIGNATURE_BYTES = 65_536;
const MOST_PADDING_BYTES = 1 << 20;

/** One-pass announcements, old-style signatures, the literal packet, signatures; nothing nested. */
async function* readPlain(
  reader: PieceReader,
  first: PacketStart | undefined,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  let literals = 0;
  for (let packet = first; packet !== undefined; packet = await readPacket(reader)) {
    switch (packet.tag) {
      case TAG.onePassSignature: {
        const body = await packet.body.readAll(MOST_SIGNATURE_BYTES);
        tracker?.announce(body);
        break;
      }
      case TAG.signature: {
        const body = await packet.body.readAll(MOST_SIGNATURE_BYTES);
        tracker?.add(body);
        break;
      }
      case TAG.marker:
      case TAG.padding:
        await packet.body.readAll(MOST_PADDING_BYTES);
        break;
      case TAG.literal:
        literals += 1;
        if (literals > 1) throw new OpenPgpError('refused', 'The message holds more than one content');
        yield* readLiteral(packet.body, tracker);
        break;
      case TAG.compressed:
      case TAG.encryptedOld:
      case TAG.encryptedMdc:
      case TAG.encryptedAead:
        throw new OpenPgpError('refused', 'The message holds another message');
      default:
        throw new OpenPgpError('damaged', `Unexpected packet ${packet.tag} in the message`);
    }
  }
  if (literals === 0) throw new OpenPgpError('damaged', 'The message has no content');
}

async function* readLiteral(
  body: PacketBody,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const [, nameLength] = await body.readExactly(2);
  await body.readExactly((nameLength as number) + 4);
  tracker?.beginData();
  for await (const piece of body.pieces()) {
    tracker?.update(piece);
    yield piece;
  }
}

function asContentError(error: unknown): unknown {
  if (error instanceof OpenPgpError) {
    // What is broken inside an intact message was made broken.
    if (error.code !== 'truncated' && error.code !== 'not-openpgp') return error;
    return new OpenPgpError('damaged', 'The content of the message is broken', { cause: error });
  }
  if (error instanceof CompressError) {
    return new OpenPgpError('damaged', 'The compressed content of the message is broken', { cause: error });
  }
  return error;
}
