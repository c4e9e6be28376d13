/** Fuzz targets: messages as they are stored, what is inside their encryption, and keys. Any bytes end well or with an OpenPgpError. */

import { readContent } from '../content.js';
import { OpenPgpError, open, openKeys, Secret } from '../index.js';
import { SignatureTracker } from '../message-signatures.js';
import { inPieces } from '../testing/messages.js';

interface Target {
  readonly name: string;
  run(input: Uint8Array): Promise<void>;
}

const PASSPHRASE = Secret.fromText('correct horse');
/** What an input of some thousand bytes may become. */
const MOST_BYTES = 1 << 20;

export const TARGETS: readonly Target[] = [
  { name: 'packets', run: messages },
  { name: 'content', run: contents },
  { name: 'keys', run: keys },
];

async function messages(input: Uint8Array): Promise<void> {
  const read = (size: number) =>
    outcome(open(inPieces(input, size), { passphrase: PASSPHRASE, maxBytes: MOST_BYTES, subject: 'message' }));
  const whole = await read(input.length + 1);
  expectSame(whole, await read(17));
}

/** Behind the encryption a message can be anything too: whoever has the passphrase may have made it. */
async function contents(input: Uint8Array): Promise<void> {
  const read = (size: number) => outcome(bounded(readContent(inPieces(input, size), new SignatureTracker())));
  const whole = await read(input.length + 1);
  expectSame(whole, await read(17));
}

async function keys(input: Uint8Array): Promise<void> {
  try {
    await openKeys(input, { passphrase: PASSPHRASE });
  } catch (error) {
    if (!(error instanceof OpenPgpError)) throw error;
  }
}

interface Outcome {
  readonly end: string;
  readonly plain: string;
}

async function outcome(content: AsyncIterable<Uint8Array>): Promise<Outcome> {
  const parts: Uint8Array[] = [];
  try {
    for await (const piece of content) parts.push(piece);
    return { end: 'good', plain: Buffer.concat(parts).toString('hex') };
  } catch (error) {
    if (!(error instanceof OpenPgpError)) throw error;
    // How much came out before an error depends on the pieces.
    return { end: error.code, plain: '' };
  }
}

async function* bounded(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const piece of content) {
    bytes += piece.length;
    if (bytes > MOST_BYTES) throw new OpenPgpError('too-large', 'more than a test takes');
    yield piece;
  }
}

function expectSame(whole: Outcome, cut: Outcome): void {
  if (whole.end !== cut.end) throw new Error(`Whole: ${whole.end}; in pieces: ${cut.end}`);
  if (whole.plain !== cut.plain) throw new Error('What came out differs');
}
