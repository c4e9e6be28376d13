/**
 * The little of the Assuan protocol that talking to gpg-agent takes: lines of text over a local
 * socket, with binary data percent-escaped in `D` lines and questions asked back by the server.
 */
import { connect, type Socket } from 'node:net';
import { OpenPgpError } from './errors.js';

/** Answers to the server's INQUIRE lines, by keyword. The bytes are wiped after use. */
export type Inquiries = Readonly<Record<string, () => Uint8Array>>;

/** gpg's numbers: the low bits of an error are its code, the next ones tell which program it came from. */
const CODE_MASK = 0xffff;
const SOURCE_SHIFT = 24;
const SOURCE_MASK = 0x7f;
const SOURCE_PINENTRY = 5;
export const ERROR_NUMBERS = {
  badPassphrase: 11,
  cancelled: 99,
  noSecretKey: 17,
  noPinentry: 85,
  noPinentryAtAll: 67,
} as const;

export class AssuanError extends Error {
  readonly number: number;
  /** The agent wanted to ask somebody, and that failed: there is no terminal, no display, or no answer. */
  readonly isOfPinentry: boolean;

  constructor(line: string) {
    const [, number = '0', text = 'unknown error'] = /^ERR (\d+) ?(.*)$/.exec(line) ?? [];
    super(text);
    this.name = 'AssuanError';
    this.number = Number(number) & CODE_MASK;
    this.isOfPinentry = ((Number(number) >>> SOURCE_SHIFT) & SOURCE_MASK) === SOURCE_PINENTRY;
  }
}

export class AssuanClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    for (const event of ['close', 'end', 'error'] as const) {
      socket.on(event, () => {
        this.#isClosed = true;
        this.#wake();
      });
    }
  }

  /** Connects and reads the greeting. Throws `agent-unreachable`. */
  static async connect(path: string): Promise<AssuanClient> {
    const socket = connect(path);
    const client = new AssuanClient(socket);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('connect', () => resolve());
        socket.once('error', reject);
      });
      await client.#finishCommand({});
      return client;
    } catch (cause) {
      socket.destroy();
      throw new OpenPgpError('agent-unreachable', `gpg-agent does not answer at ${path}`, { cause, subject: path });
    }
  }

  /** Sends a command line and returns the data of its answer. Throws `AssuanError`. */
  async command(line: string, inquiries: Inquiries = {}): Promise<Buffer> {
    if (/[\r\n]/.test(line)) throw new TypeError('An Assuan command is one line');
    this.#socket.write(`${line}\n`);
    return this.#finishCommand(inquiries);
  }

  close(): void {
    this.#socket.end('BYE\n');
    this.#socket.unref();
  }

  async #finishCommand(inquiries: Inquiries): Promise<Buffer> {
    const data: Buffer[] = [];
    for (;;) {
      const line = await this.#line();
      const text = line.toString('latin1');
      if (text === 'OK' || text.startsWith('OK ')) return Buffer.concat(data);
      if (text.startsWith('ERR ')) throw new AssuanError(text);
      if (text.startsWith('D ')) data.push(unescapeData(line.subarray(2)));
      if (text.startsWith('INQUIRE ')) this.#answer(text.split(' ')[1] ?? '', inquiries);
    }
  }

  #answer(keyword: string, inquiries: Inquiries): void {
    const inquiry = inquiries[keyword];
    if (inquiry === undefined) {
      // PINENTRY_LAUNCHED and the like want no more than an end; a real question can't be answered.
      this.#socket.write(keyword === 'PINENTRY_LAUNCHED' ? 'END\n' : 'CAN\n');
      return;
    }
    const line = escapeData(inquiry());
    this.#socket.write(line, () => line.fill(0));
    this.#socket.write('END\n');
  }

  async #line(): Promise<Buffer> {
    for (;;) {
      const end = this.#received.indexOf(0x0a);
      if (end !== -1) {
        const line = this.#received.subarray(0, end);
        this.#received = this.#received.subarray(end + 1);
        return line;
      }
      if (this.#isClosed) throw new OpenPgpError('agent-unreachable', 'gpg-agent closed the connection');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** A `D` line; the protocol's limit of 1,000 bytes is far beyond any passphrase that gpg takes. */
function escapeData(bytes: Uint8Array): Buffer {
  const line: number[] = [...Buffer.from('D ')];
  for (const byte of bytes) {
    if (byte === 0x25 || byte === 0x0d || byte === 0x0a) line.push(...Buffer.from(`%${hex(byte)}`));
    else line.push(byte);
  }
  line.push(0x0a);
  const result = Buffer.from(line);
  line.fill(0);
  return result;
}

function hex(byte: number): string {
  return byte.toString(16).toUpperCase().padStart(2, '0');
}

function unescapeData(bytes: Buffer): Buffer {
  const result: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== 0x25) result.push(bytes[i] as number);
    else {
      result.push(Number.parseInt(bytes.toString('latin1', i + 1, i + 3), 16));
      i += 2;
    }
  }
  return Buffer.from(result);
}

/** A canonical S-expression: atoms are bytes, lists are arrays. */
export type Expression = Buffer | Expression[];

export function parseExpression(bytes: Buffer): Expression {
  const { value } = parseAt(bytes, 0);
  return value;
}

function parseAt(bytes: Buffer, start: number): { value: Expression; end: number } {
  if (bytes[start] === 0x28) {
    const list: Expression[] = [];
    let position = start + 1;
    while (bytes[position] !== 0x29) {
      if (position >= bytes.length) throw new Error('gpg-agent sent an incomplete answer');
      const item = parseAt(bytes, position);
      list.push(item.value);
      position = item.end;
    }
    return { value: list, end: position + 1 };
  }
  const colon = bytes.indexOf(0x3a, start);
  const length = Number(bytes.toString('latin1', start, colon));
  if (colon === -1 || !Number.isInteger(length) || colon + 1 + length > bytes.length) {
    throw new Error('gpg-agent sent an answer that is no S-expression');
  }
  return { value: bytes.subarray(colon + 1, colon + 1 + length), end: colon + 1 + length };
}

/** The atom behind `name` in a list of pairs such as `(rsa (s 128:…))`, searched in depth. */
export function findAtom(expression: Expression, name: string): Buffer | undefined {
  if (!Array.isArray(expression)) return undefined;
  const [head, value] = expression;
  if (Buffer.isBuffer(head) && head.toString('latin1') === name && Buffer.isBuffer(value)) return value;
  for (const item of expression) {
    const found = findAtom(item, name);
    if (found !== undefined) return found;
  }
  return undefined;
}
