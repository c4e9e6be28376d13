/**
 * Reading one encrypted message: find a session key, decrypt, inflate, and give out the literal data.
 *
 * Plaintext is given out while the message is still being read, as bulk data must; it counts as good
 * only when the iteration ends normally, because the integrity code (and a demanded signature) stand
 * at the end. A caller that can't take anything back reads the message twice: `checkMessage` first.
 */
import { decryptAead, readAeadHeader } from './aead.js';
import { type SessionKey, TAG } from './algorithms.js';
import { readContent } from './content.js';
import { decryptWithMdc, passesQuickCheck } from './decrypt.js';
import { OpenPgpError } from './errors.js';
import type { KeySource } from './key-source.js';
import { openWithLibrary } from './library-message.js';
import { SignatureTracker, type TrustedSigner } from './message-signatures.js';
import { type PacketBody, PieceReader } from './packet-reader.js';
import type { Secret } from './secret.js';
import { type MessageHead, readMessageHead, sessionKeysFromPassphrase } from './session-keys.js';

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
  const tracker = options.requireSigner === undefined ? undefined : new SignatureTracker();
  const content = await openData(head, options, tracker);
  let given = 0;
  for await (const piece of content) {
    given += piece.length;
    if (options.maxBytes !== undefined && given > options.maxBytes) {
      throw new OpenPgpError('too-large', `The message holds more than the ${options.maxBytes} bytes allowed`);
    }
    yield piece;
  }
  if (await reader.fill()) throw new OpenPgpError('trailing-data', 'Something follows the end of the message');
  if (tracker !== undefined) await options.requireSigner?.check(tracker.signatures);
}

/** The plaintext, by whichever key fits. */
async function openData(
  head: MessageHead,
  options: OpenOptions,
  tracker: SignatureTracker | undefined,
): Promise<AsyncIterable<Uint8Array>> {
  const { tag, body } = head.data;
  if (tag === TAG.encryptedOld) throw new OpenPgpError('no-integrity', 'The message has no integrity protection');
  if (tag === TAG.encryptedAead) {
    const header = await readAeadHeader(body);
    for await (const { cipher, key } of candidateKeys(head, options)) {
      if (cipher.id === header.cipher.id) return readContent(decryptAead(key, header, body.pieces()), tracker);
    }
    throw noKey(head, options);
  }
  const version = (await body.readExactly(1))[0];
  if (version !== 1) throw new OpenPgpError('unsupported', `Unknown version ${version} of encrypted data`);
  const start = new StartOfBody(body);
  const forLibrary: SessionKey[] = [];
  for await (const sessionKey of candidateKeys(head, options)) {
    if (sessionKey.cipher.node === undefined) {
      forLibrary.push(sessionKey);
      continue;
    }
    const bytes = await start.first(sessionKey.cipher.blockBytes + 2);
    if (passesQuickCheck(sessionKey, bytes)) {
      return readContent(decryptWithMdc(sessionKey, start.read, body.pieces()), tracker);
    }
  }
  if (forLibrary.length === 0) throw noKey(head, options);
  return openOldCipher(head, forLibrary, start.read, body, tracker);
}

/** CAST5, Blowfish and Twofish. The integrity code is all that tells whether a key fits. */
async function* openOldCipher(
  head: MessageHead,
  candidates: readonly SessionKey[],
  start: Uint8Array,
  body: PacketBody,
  tracker: SignatureTracker | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* openWithLibrary(candidates, start, body.pieces(), tracker);
  } catch (cause) {
    const isModified = cause instanceof OpenPgpError && cause.code === 'modified';
    if (!isModified || head.forPassphrases.length === 0) throw cause;
    throw new OpenPgpError('wrong-passphrase', 'The passphrase does not open the message, or it was altered', {
      cause,
    });
  }
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

function named(error: unknown, subject: string | undefined): unknown {
  if (!(error instanceof OpenPgpError) || subject === undefined || error.subject !== undefined) return error;
  return new OpenPgpError(error.code, error.message, {
    hint: error.hint,
    keyIds: error.keyIds,
    subject,
    cause: error.cause ?? error,
  });
}
