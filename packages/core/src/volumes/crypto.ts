/** How stored objects are sealed and opened: the place where the engine meets OpenPGP and gzip. */

import { gunzip } from '@redup/compress';
import { createSeal, type OpenOptions, open, type Seal, type SealOptions } from '@redup/openpgp';
import type { Encoding } from '../archive/index.js';
import { RedupError } from '../errors.js';

/** Keys and passphrases of a repository. `seal` is needed to write, `open` to read what is encrypted. */
export interface EncryptionOptions {
  readonly seal?: Omit<SealOptions, 'compression'>;
  readonly open?: OpenOptions;
}

export class Codec {
  readonly #encryption: EncryptionOptions;
  readonly #compressed: boolean;

  constructor(encryption: EncryptionOptions, options: { readonly compressed: boolean }) {
    this.#encryption = encryption;
    this.#compressed = options.compressed;
  }

  /** A new message for one object. @throws RedupError PASSPHRASE_MISSING */
  async createSeal(): Promise<Seal> {
    const { seal } = this.#encryption;
    if (seal === undefined) {
      throw new RedupError('PASSPHRASE_MISSING', 'There is no passphrase and no key to encrypt with', {
        hint: 'Set PASSPHRASE or --encrypt-key, or say --no-encryption if the archive may be readable by anybody.',
      });
    }
    return createSeal({ ...seal, compression: this.#compressed ? 'zip' : 'none' });
  }

  /** The content of a stored object. Damage is an error of the iteration at the latest at its end. */
  read(stored: AsyncIterable<Uint8Array>, encoding: Encoding, subject: string): AsyncIterable<Uint8Array> {
    switch (encoding) {
      case 'plain':
        return stored;
      case 'gzip':
        return unlessEmpty(stored, (bytes) => gunzip(bytes, { subject }));
      case 'openpgp':
        if (this.#encryption.open === undefined) {
          throw new RedupError(
            'PASSPHRASE_MISSING',
            `${subject} is encrypted, and there is neither a passphrase nor a key`,
            {
              subject,
              hint: 'Set PASSPHRASE in the environment, or make the secret key available.',
            },
          );
        }
        return open(stored, this.#encryption.open);
    }
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
