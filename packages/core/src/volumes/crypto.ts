/** How stored objects are sealed and opened: the place where the engine meets OpenPGP and gzip. */

import { gunzip } from '@redup/compress';
import { createSeal, type OpenOptions, open, type Seal, type SealOptions } from '@redup/openpgp';
import type { Encoding } from '../archive/index.js';
import { RedupError } from '../errors.js';

/** Keys and passphrases of a repository. `seal` is needed to write, `open` to read what is encrypted. */
export interface EncryptionOptions {
  readonly seal?: Omit<SealOptions, 'compression'>;
  readonly open?: OpenOptions;
  /**
   * When a backup reads what is stored. `if-needed`: only where a local copy is missing, since the secret key may well be
   * elsewhere or would have to be unlocked by somebody. Default `at-will`: also to prove the passphrase against the chain.
   */
  readonly reading?: 'at-will' | 'if-needed';
}

export class Codec {
  readonly #encryption: EncryptionOptions;
  readonly #compressed: boolean;

  constructor(encryption: EncryptionOptions, options: { readonly compressed: boolean }) {
    this.#encryption = encryption;
    this.#compressed = options.compressed;
  }

  /** A new message for one object. @throws RedupError PASSPHRASE_MISSING */
  async createSeal(options: Pick<SealOptions, 'dataBytes'> = {}): Promise<Seal> {
    const { seal } = this.#encryption;
    if (seal === undefined) {
      throw new RedupError('PASSPHRASE_MISSING', 'There is no passphrase and no key to encrypt with', {
        hint: 'Set PASSPHRASE or --encrypt-key, or say --no-encryption if the archive may be readable by anybody.',
      });
    }
    return createSeal({ ...seal, ...options, compression: this.#compressed ? 'zip' : 'none' });
  }

  /** The content of a stored object. Damage is an error of the iteration at the latest at its end. */
  read(stored: AsyncIterable<Uint8Array>, encoding: Encoding, subject: string): AsyncIterable<Uint8Array> {
    switch (encoding) {
      case 'plain':
        return stored;
      case 'gzip':
        return closing(stored, (whole) => unlessEmpty(whole, (bytes) => gunzip(bytes, { subject })));
      case 'openpgp': {
        const options = this.#encryption.open;
        return closing(stored, (bytes) => {
          if (options === undefined) throw noKey(subject);
          return open(bytes, { ...options, subject });
        });
      }
    }
  }
}

function noKey(subject: string): RedupError {
  return new RedupError('PASSPHRASE_MISSING', `${subject} is encrypted, and there is neither a passphrase nor a key`, {
    subject,
    hint: 'Set PASSPHRASE in the environment, or make the secret key available.',
  });
}

/** Ends the stored bytes too when reading stops early or fails: behind them is an open file or connection. */
async function* closing(
  stored: AsyncIterable<Uint8Array>,
  read: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const source = stored[Symbol.asyncIterator]();
  try {
    yield* read({ [Symbol.asyncIterator]: () => source });
  } finally {
    await source.return?.();
  }
}

/** duplicity leaves gzip volumes without any block as files of no bytes at all. */
async function* unlessEmpty(
  stored: AsyncIterable<Uint8Array>,
  read: (bytes: AsyncIterable<Uint8Array>) => AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const source = stored[Symbol.asyncIterator]();
  let first = await source.next();
  while (!first.done && first.value.length === 0) first = await source.next();
  if (first.done) return;
  const { value } = first;
  yield* read(
    (async function* () {
      yield value;
      yield* { [Symbol.asyncIterator]: () => source };
    })(),
  );
}
