/**
 * Packet framing (RFC 9580 section 4.2): new-format headers, and two writers of bodies whose length
 * is not known in advance.
 */

/** A new-format header with a definite length. */
export function packetHeader(tag: number, length: number): Uint8Array {
  return Uint8Array.of(0xc0 | tag, ...lengthOctets(length));
}

/** A whole packet. */
export function packet(tag: number, body: Uint8Array): Uint8Array {
  return Buffer.concat([packetHeader(tag, body.length), body]);
}

function lengthOctets(length: number): number[] {
  if (length < 192) return [length];
  if (length < 8384) return [((length - 192) >> 8) + 192, (length - 192) & 0xff];
  return [0xff, (length >>> 24) & 0xff, (length >>> 16) & 0xff, (length >>> 8) & 0xff, length & 0xff];
}

/** Parts below this would cost more calls than bytes; what is left over waits here for more. */
const LEAST_EXPONENT = 13;
const LEAST_PART = 1 << LEAST_EXPONENT;
const GREATEST_EXPONENT = 20;

/**
 * Frames data without copying it: each call cuts what it was given into the largest parts that are
 * powers of two, and keeps less than 8 KiB for the next one.
 */
export class PartFramer {
  readonly #rest = new Uint8Array(LEAST_PART);
  #restLength = 0;
  #tag: number | undefined;

  constructor(tag: number) {
    this.#tag = tag;
  }

  /** The framed bytes for `data`: small buffers and views of `data`, valid until the next call. */
  push(data: Uint8Array): Uint8Array[] {
    if (this.#restLength + data.length < LEAST_PART) {
      this.#keep(data);
      return [];
    }
    const pieces: Uint8Array[] = [];
    let position = 0;
    let pending: Uint8Array | undefined = this.#restLength > 0 ? this.#rest.slice(0, this.#restLength) : undefined;
    this.#restLength = 0;
    for (;;) {
      const pendingLength = pending?.length ?? 0;
      const available = pendingLength + data.length - position;
      if (available < LEAST_PART) break;
      const exponent = Math.min(GREATEST_EXPONENT, 31 - Math.clz32(available));
      pieces.push(this.#header([0xe0 | exponent]));
      if (pending !== undefined) pieces.push(pending);
      pending = undefined;
      const end = position + (1 << exponent) - pendingLength;
      pieces.push(data.subarray(position, end));
      position = end;
    }
    this.#keep(data.subarray(position));
    return pieces;
  }

  /** The last part, which may be empty. */
  end(): Uint8Array[] {
    return [this.#header(lengthOctets(this.#restLength)), this.#rest.slice(0, this.#restLength)];
  }

  #keep(data: Uint8Array): void {
    this.#rest.set(data, this.#restLength);
    this.#restLength += data.length;
  }

  #header(length: number[]): Uint8Array {
    const tag = this.#tag;
    this.#tag = undefined;
    return tag === undefined ? Uint8Array.from(length) : Uint8Array.of(0xc0 | tag, ...length);
  }
}

/** A body whose length is known: one header, and behind it the data as they are. */
export class WholeFramer {
  #header: Uint8Array | undefined;
  #left: number;

  /** `length` up to 4,294,967,295, the most that a header can say. */
  constructor(tag: number, length: number) {
    this.#header = packetHeader(tag, length);
    this.#left = length;
  }

  push(data: Uint8Array): Uint8Array[] {
    const header = this.#header;
    this.#header = undefined;
    this.#left -= data.length;
    if (this.#left < 0) throw new RangeError('more data than were announced');
    return header === undefined ? [data] : [header, data];
  }

  end(): Uint8Array[] {
    if (this.#left > 0) throw new RangeError(`${this.#left} bytes less than were announced`);
    return [];
  }
}

/** Part size of the encrypted packet; 64 KiB costs one byte in 65,536 and a buffer of that size. */
const PART_EXPONENT = 16;
const PART_BYTES = 1 << PART_EXPONENT;

/** Gathers a body of many small pieces into parts of one size. Its outputs are views valid until the next call. */
export class PartGatherer {
  readonly #open = new Uint8Array(PART_BYTES);
  #openLength = 0;
  #output = new Uint8Array(4 * PART_BYTES);
  #tag: number | undefined;
  #prefix: Uint8Array;

  /** `prefix` is sent as it is, before the packet. */
  constructor(tag: number, prefix: Uint8Array) {
    this.#tag = tag;
    this.#prefix = prefix;
  }

  push(...body: readonly Uint8Array[]): Uint8Array {
    return this.#write(body, false);
  }

  /** The rest of the body and the end of the packet. */
  end(...body: readonly Uint8Array[]): Uint8Array {
    return this.#write(body, true);
  }

  #write(body: readonly Uint8Array[], isLast: boolean): Uint8Array {
    const added = body.reduce((sum, piece) => sum + piece.length, 0);
    const parts = Math.floor((this.#openLength + added) / PART_BYTES);
    const needed = this.#prefix.length + parts * (PART_BYTES + 1) + 8 + (isLast ? PART_BYTES : 0);
    if (this.#output.length < needed) this.#output = new Uint8Array(needed);
    const output = this.#output;
    output.set(this.#prefix);
    let length = this.#prefix.length;
    this.#prefix = this.#prefix.subarray(0, 0);
    const header = (octets: number[]): void => {
      if (this.#tag !== undefined) output[length++] = 0xc0 | this.#tag;
      this.#tag = undefined;
      for (const octet of octets) output[length++] = octet;
    };
    for (const piece of body) {
      let position = 0;
      while (this.#openLength + piece.length - position >= PART_BYTES) {
        header([0xe0 | PART_EXPONENT]);
        output.set(this.#open.subarray(0, this.#openLength), length);
        length += this.#openLength;
        const taken = PART_BYTES - this.#openLength;
        output.set(piece.subarray(position, position + taken), length);
        length += taken;
        position += taken;
        this.#openLength = 0;
      }
      this.#open.set(piece.subarray(position), this.#openLength);
      this.#openLength += piece.length - position;
    }
    if (isLast) {
      header(lengthOctets(this.#openLength));
      output.set(this.#open.subarray(0, this.#openLength), length);
      length += this.#openLength;
    }
    return output.subarray(0, length);
  }
}
