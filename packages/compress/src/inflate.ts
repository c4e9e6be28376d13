/**
 * Inflate in bounded memory: raw deflate (RFC 1951), zlib (RFC 1950) and gzip (RFC 1952).
 *
 * node:zlib's streams do the work in libuv's pool, beside the main thread. They are lenient: they
 * ignore what follows the stream, and gzip damage in places. Here an end that is not exactly at the
 * end of the source is an error, and so is any output beyond `maxBytes`.
 */
import { createInflate, createInflateRaw, type InflateRaw } from 'node:zlib';
import { ByteReader } from './byte-reader.js';
import { crc32 } from './checksums.js';
import { CompressError } from './errors.js';

export interface InflateOptions {
  /** The most bytes that may come out; more is an error `too-large`. Default: no limit. */
  readonly maxBytes?: number;
  /** The size of output pieces; default 262,144. They are smaller where the input runs dry. */
  readonly pieceBytes?: number;
  /**
   * What follows the end of the stream: `refuse` (the default) or `ignore`, which still reads the
   * source to its end. For containers that pad inside and check integrity outside.
   */
  readonly trailingData?: 'refuse' | 'ignore';
  /** The compressed object's name, for errors. */
  readonly subject?: string;
}

/** Reads one raw deflate stream that must end exactly with `source`. */
export function inflateRaw(
  source: AsyncIterable<Uint8Array>,
  options: InflateOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return inflateOne(source, options, createInflateRaw);
}

/** Reads one zlib stream (header, deflate, Adler-32) that must end exactly with `source`. */
export function inflate(
  source: AsyncIterable<Uint8Array>,
  options: InflateOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  return inflateOne(source, options, createInflate);
}

/** Reads a gzip file of one or more members; headers, CRC-32 and sizes are all checked. */
export async function* gunzip(
  source: AsyncIterable<Uint8Array>,
  options: InflateOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(source);
  const limit = new Limit(options);
  try {
    let isFirst = true;
    while (isFirst || !(await isAtEnd(reader))) {
      await skipGzipHeader(reader, isFirst, options);
      isFirst = false;
      let crc = 0;
      let size = 0;
      for await (const piece of inflateStream(reader, options, createInflateRaw)) {
        limit.add(piece.length);
        crc = crc32(piece, crc);
        size += piece.length;
        yield piece;
      }
      const trailer = await reader.readExactly(8);
      if (trailer.length < 8) throw fail('truncated', 'gzip data ends inside its trailer', options);
      const view = new DataView(trailer.buffer, trailer.byteOffset, 8);
      if (view.getUint32(0, true) !== crc || view.getUint32(4, true) !== size % 0x1_0000_0000) {
        throw fail('corrupt', 'gzip data does not match its checksum', options);
      }
    }
  } finally {
    await reader.close();
  }
}

type Engine = (options: { chunkSize: number; readableHighWaterMark: number }) => InflateRaw;

async function* inflateOne(
  source: AsyncIterable<Uint8Array>,
  options: InflateOptions,
  engine: Engine,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(source);
  const limit = new Limit(options);
  try {
    for await (const piece of inflateStream(reader, options, engine)) {
      limit.add(piece.length);
      yield piece;
    }
    if (options.trailingData === 'ignore') {
      while ((await reader.read()) !== undefined);
    } else if (!(await isAtEnd(reader))) {
      throw fail('trailing-garbage', 'Bytes follow the end of the compressed data', options);
    }
  } finally {
    await reader.close();
  }
}

/** One compressed stream from `reader`, which afterwards stands exactly behind it. */
async function* inflateStream(
  reader: ByteReader,
  options: InflateOptions,
  engine: Engine,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pieceBytes = options.pieceBytes ?? 262_144;
  const zlib = engine({ chunkSize: pieceBytes, readableHighWaterMark: pieceBytes });
  const feeding = feed(reader, zlib);
  // A failure of the source reaches the loop below through the stream; nobody else need hear of it.
  feeding.catch((error: Error) => zlib.destroy(error));
  try {
    for await (const piece of zlib) yield piece as Buffer;
    await feeding;
  } catch (error) {
    throw translate(error, options);
  } finally {
    zlib.destroy();
  }
}

/**
 * Writes until the engine has seen the end of its stream, and puts back what it did not want. The next
 * piece is asked for while the engine works on this one: whoever makes it (decryption) works beside it.
 */
async function feed(reader: ByteReader, zlib: InflateRaw): Promise<void> {
  let fed = 0;
  let coming = reader.read();
  for (;;) {
    const piece = await coming;
    if (piece === undefined) {
      zlib.end();
      return;
    }
    coming = reader.read();
    // Its failure is met when it is awaited, if that is ever needed.
    coming.catch(() => undefined);
    fed += piece.length;
    await new Promise<void>((resolve) => zlib.write(piece, () => resolve()));
    if (zlib.destroyed && !zlib.readableEnded) return;
    const unwanted = fed - zlib.bytesWritten;
    if (unwanted > 0) {
      const following = await coming;
      if (following !== undefined) reader.unread(following);
      reader.unread(piece.subarray(piece.length - unwanted));
      zlib.end();
      return;
    }
  }
}

async function isAtEnd(reader: ByteReader): Promise<boolean> {
  const piece = await reader.read();
  if (piece === undefined) return true;
  reader.unread(piece);
  return false;
}

const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;
/** Names and comments beyond this are no real file's. */
const TEXT_FIELD_MAX = 65_536;

async function skipGzipHeader(reader: ByteReader, isFirst: boolean, options: InflateOptions): Promise<void> {
  const header = await reader.readExactly(10);
  const isGzip = header[0] === 0x1f && (header.length < 2 || header[1] === 0x8b);
  if (!isGzip && !isFirst) throw fail('trailing-garbage', 'Bytes follow the end of the gzip data', options);
  if (!isGzip && header.length > 0) throw fail('corrupt', 'This is not gzip data', options);
  if (header.length < 10) throw fail('truncated', 'gzip data ends inside its header', options);
  const flags = header[3] as number;
  if (header[2] !== 8 || flags > 31) throw fail('corrupt', 'This gzip header is damaged', options);
  const read = async (count: number): Promise<Uint8Array> => {
    const bytes = await reader.readExactly(count);
    if (bytes.length < count) throw fail('truncated', 'gzip data ends inside its header', options);
    return bytes;
  };
  if (flags & FEXTRA) {
    const length = await read(2);
    await read((length[0] as number) | ((length[1] as number) << 8));
  }
  for (const field of [FNAME, FCOMMENT]) {
    if ((flags & field) === 0) continue;
    let length = 0;
    while ((await read(1))[0] !== 0) {
      if (++length > TEXT_FIELD_MAX) throw fail('corrupt', 'This gzip header is damaged', options);
    }
  }
  if (flags & FHCRC) await read(2);
}

/** Counts output against `maxBytes`. */
class Limit {
  readonly #options: InflateOptions;
  #total = 0;

  constructor(options: InflateOptions) {
    this.#options = options;
  }

  add(count: number): void {
    this.#total += count;
    const most = this.#options.maxBytes;
    if (most !== undefined && this.#total > most) {
      throw fail('too-large', `The data unpacks to more than the ${most} bytes allowed`, this.#options);
    }
  }
}

function translate(error: unknown, options: InflateOptions): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'Z_BUF_ERROR') return fail('truncated', 'The compressed data is incomplete', options, error);
  if (code === 'Z_DATA_ERROR' || code === 'Z_NEED_DICT') {
    return fail('corrupt', 'The compressed data is damaged', options, error);
  }
  return error;
}

function fail(
  code: 'truncated' | 'corrupt' | 'trailing-garbage' | 'too-large',
  message: string,
  options: InflateOptions,
  cause?: unknown,
): CompressError {
  return new CompressError(code, message, {
    ...(cause === undefined ? {} : { cause }),
    ...(options.subject === undefined ? {} : { subject: options.subject }),
  });
}
