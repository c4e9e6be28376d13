/** Content against a stored signature of it, as the content goes by. */

import type { SignatureBuilder, SignatureFormat } from 'librsync-wasm';
import type { ContentSink } from './scratch.js';

/** Of signatures that another program wrote. */
const FORMAT_OF_MAGIC: Readonly<Record<number, SignatureFormat>> = {
  1920139574: 'rollsum-md4',
  1920139575: 'rollsum-blake2',
  1920139590: 'rabinkarp-md4',
  1920139591: 'rabinkarp-blake2',
};

export class SignatureMatch implements ContentSink {
  readonly #signature: Buffer;
  readonly #builder: SignatureBuilder | undefined;
  /** False as soon as something differs. */
  same = true;
  #compared = 0;

  /** @param builder is used until `finish` */
  constructor(builder: SignatureBuilder, signature: Buffer) {
    this.#signature = signature;
    const format = signature.length < 12 ? undefined : FORMAT_OF_MAGIC[signature.readUInt32BE(0)];
    if (format === undefined) return;
    try {
      builder.reset({ format, blockLength: signature.readUInt32BE(4), strongLength: signature.readUInt32BE(8) });
    } catch {
      return; // lengths that no signature has
    }
    this.#builder = builder;
  }

  write(piece: Uint8Array): void {
    if (this.#builder !== undefined) this.#compare(this.#builder.update(piece));
  }

  /** Whether all the content had this signature. */
  finish(): boolean {
    if (this.#builder === undefined) return false;
    this.#compare(this.#builder.finish());
    return this.same && this.#compared === this.#signature.length;
  }

  #compare(made: Uint8Array): void {
    const end = this.#compared + made.length;
    this.same &&= this.#signature.subarray(this.#compared, end).equals(made);
    this.#compared = end;
  }
}
