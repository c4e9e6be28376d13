/**
 * Reading one encrypted message: find a session key, decrypt, inflate, and give out the literal data.
 *
 * Plaintext is given out while the message is still being read, as bulk data must; it counts as good
 * only when the iteration ends normally, because the integrity code (and a demanded signature) stand
 * at the end. A caller that can't take anything back reads the message twice: `checkMessage` first.
 */
import { CompressError, inflate, inflateRaw } from '@redup/compress';
import { COMPRESSION, type SessionKey, TAG } from './algorithms.js';
import { decryptWithMdc, passesQuickCheck } from './decrypt.js';
import { OpenPgpError } from './errors.js';
import type { KeySource } from './key-source.js';
import { type PacketBody, type PacketStart, PieceReader, readPacket } from './packet-reader.js';
import type { Secret } from './secret.js';
import { type MessageHead, readMessageHead, sessionKeysFromPassphrase } from './session-keys.js';
import { SignatureTracker, type TrustedSigner } from './verify.js';

export interface OpenOptions {
  /** Tried one after the other. */
  readonly passphrase?: Secret | readonly Secret[];
  /** Where secret keys are. */
  readonly keys?: Pick<KeySource, 'decryptSessionKey'>;
  /** The message must bear this key's signature: `unsigned`, `wrong-signer` or `bad-signature` otherwise. */
  readonly requireSigner?: TrustedSigner;
  /** More plaintext than this is refused with `too-large`. Default: no limit. */
  readonly maxBytes?: number;
  /** The message's name, for errors. */
  readonly subject?: string;
}

/** Decrypts one message and yields its plaintext in large pieces, which are the caller's. */
export async function* open(
  source: AsyncIterable<Uint8Array>,
  options: OpenOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new PieceReader(source);
  try {
    yield* openFrom(reader, options);
  } catch (error) {
    throw named(error, options.subject);
  } finally {
    await reader.close();
  }
}

/** Decrypts a small message. Nothing is returned unless all of it is good. */
export async function openBytes(message: Uint8Array, options: OpenOptions): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of open(once(message), options)) parts.push(piece);
  return Buffer.concat(parts);
}

/** Reads a message to its end and throws unless all of it is good. Returns the number of plaintext bytes. */
export async function checkMessage(source: AsyncIterable<Uint8Array>, options: OpenOptions): Promise<number> {
  let bytes = 0;
  for await (const piece of open(source, options)) bytes += piece.length;
  return bytes;
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function* openFrom(reader: PieceReader, options: OpenOptions): AsyncGenerator<Uint8Array, void, undefined> {
  const head = await readMessageHead(reader);
  const decrypted = await decryptData(head, options);
  const tracker = options.requireSigner === undefined ? undefined : new SignatureTracker();
  let given = 0;
  for await (const piece of readContent(decrypted, tracker)) {
    given += piece.length;
    if (options.maxBytes !== undefined && given > options.maxBytes) {
      throw new OpenPgpError('too-large', `The message holds more than the ${options.maxBytes} bytes allowed`);
    }
    yield piece;
  }
  if (await reader.fill()) throw new OpenPgpError('trailing-data', 'Something follows the end of the message');
  if (tracker !== undefined) await options.requireSigner?.check(tracker.signatures);
}

/** The packets inside the encrypted data, by whichever key fits. */
async function decryptData(head: MessageHead, options: OpenOptions): Promise<AsyncIterable<Uint8Array>> {
  const { tag, body } = head.data;
  if (tag === TAG.encryptedOld) {
    throw new OpenPgpError('no-integrity', 'The message has no integrity protection');
  }
  if (tag !== TAG.encryptedMdc) throw new OpenPgpError('unsupported', `Unknown encrypted packet ${tag}`);
  const version = (await body.readExactly(1))[0];
  if (version !== 1) throw new OpenPgpError('unsupported', `Unknown version ${version} of encrypted data`);
  const start = new StartOfBody(body);
  for await (const sessionKey of candidateKeys(head, options)) {
    const bytes = await start.first(sessionKey.cipher.blockBytes + 2);
    if (passesQuickCheck(sessionKey, bytes)) return decryptWithMdc(sessionKey, start.read, body.pieces());
  }
  throw noKey(head, options);
}

/** The first bytes of a body, read as far as the candidates' block sizes demand. */
class StartOfBody {
  readonly #body: PacketBody;
  read: Uint8Array = new Uint8Array(0);

  constructor(body: PacketBody) {
    this.#body = body;
  }

  async first(count: number): Promise<Uint8Array> {
    const missing = count - this.read.length;
    if (missing > 0) this.read = Buffer.concat([this.read, await this.#body.readExactly(missing)]);
    return this.read.subarray(0, count);
  }
}

/** Passphrases first: they need no agent and no card. */
async function* candidateKeys(head: MessageHead, options: OpenOptions): AsyncGenerator<SessionKey> {
  for (const passphrase of passphrasesOf(options)) yield* sessionKeysFromPassphrase(head, passphrase);
  if (options.keys !== undefined && head.forKeys.length > 0) {
    const sessionKey = await options.keys.decryptSessionKey(head.forKeys);
    if (sessionKey !== undefined) yield sessionKey;
  }
}

function passphrasesOf(options: OpenOptions): readonly Secret[] {
  const { passphrase } = options;
  if (passphrase === undefined) return [];
  return 'length' in passphrase ? passphrase : [passphrase];
}

function noKey(head: MessageHead, options: OpenOptions): OpenPgpError {
  const keyIds = head.forKeys.map((packet) => packet.keyId);
  if (head.forPassphrases.length > 0) {
    if (passphrasesOf(options).length > 0) {
      return new OpenPgpError('wrong-passphrase', 'The passphrase does not open the message', { keyIds });
    }
    if (keyIds.length === 0) {
      return new OpenPgpError('no-passphrase', 'The message is encrypted with a passphrase, and none was given');
    }
  }
  if (keyIds.length === 0) return new OpenPgpError('damaged', 'The message carries no session key');
  const shown = keyIds.map((id) => (/^0+$/.test(id) ? 'a hidden recipient' : id)).join(', ');
  return new OpenPgpError('no-secret-key', `No secret key at hand for ${shown}`, { keyIds });
}

/**
 * The literal data in what was decrypted. When its structure is broken, the rest is still read: if
 * the integrity code does not hold either, that is the error to report, for it says what happened.
 */
async function* readContent(
  decrypted: AsyncIterable<Uint8Array>,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = decrypted[Symbol.asyncIterator]();
  // Without `return`: readers that give up on the content must not end the decryption.
  const reader = new PieceReader({ [Symbol.asyncIterator]: () => ({ next: () => stream.next() }) });
  try {
    yield* readPackets(reader, tracker);
    if (await reader.fill()) throw new OpenPgpError('damaged', 'Unexpected packet behind the content');
  } catch (error) {
    for (let next = await stream.next(); next.done !== true; next = await stream.next());
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
  const inner = new PieceReader(decompress(algorithm, first.body));
  try {
    yield* readPlain(inner, await readPacket(inner), tracker);
  } finally {
    await inner.close();
  }
}

function decompress(algorithm: number, body: PacketBody): AsyncIterable<Uint8Array> {
  if (algorithm === COMPRESSION.none) return body.pieces();
  if (algorithm === COMPRESSION.zip) return inflateRaw(body.pieces());
  if (algorithm === COMPRESSION.zlib) return inflate(body.pieces());
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

function named(error: unknown, subject: string | undefined): unknown {
  if (!(error instanceof OpenPgpError) || subject === undefined || error.subject !== undefined) return error;
  return new OpenPgpError(error.code, error.message, {
    hint: error.hint,
    keyIds: error.keyIds,
    subject,
    cause: error.cause ?? error,
  });
}
