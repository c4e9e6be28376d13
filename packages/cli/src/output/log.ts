/**
 * Everything that a command says goes through here: to the console for people, to `--log-fd` and `--log-file` in duplicity's
 * records, and to the standard output as JSON instead when that was asked for.
 */

import type { JsonRecord } from '../json/records.js';
import { isTold, type Level } from './levels.js';
import { bytesOf, printable } from './text.js';

export interface Message {
  readonly level: Level;
  /** duplicity's number; 1 by default. */
  readonly code?: number;
  /** What stands behind the code in a record. */
  readonly extra?: string;
  /** Without line ends; each is made safe for terminals by itself. */
  readonly lines: readonly string[];
  /** Told at every verbosity: what the command was asked for. */
  readonly asked?: true;
}

export interface ListWriter {
  line(text: string): void;
  close(): void;
}

/** Where bytes go. Written synchronously. */
export interface Sink {
  readonly isTerminal: boolean;
  write(bytes: Uint8Array): void;
}

export interface LogOptions {
  readonly verbosity: Level;
  readonly timestamps: boolean;
  /** One object a line instead of text. */
  readonly json: boolean;
  readonly colours: boolean;
  readonly out: Sink;
  readonly err: Sink;
  /** `--log-fd`, `--log-file`. */
  readonly records: readonly Sink[];
  /** Before something is written to a terminal: takes the progress line away. */
  beforeWrite?(): void;
}

const FLUSH_AT = 64 * 1024;

export class Log {
  readonly options: LogOptions;
  #pending: Buffer[] = [];
  #pendingBytes = 0;

  constructor(options: LogOptions) {
    this.options = options;
  }

  tells(level: Level): boolean {
    return isTold(level, this.options.verbosity);
  }

  message(message: Message): void {
    if (message.asked !== true && !this.tells(message.level)) return;
    for (const sink of this.options.records) sink.write(record(message));
    if (!this.options.json || message.level === 'error') this.#console(message);
  }

  notice(...lines: string[]): void {
    this.message({ level: 'notice', lines });
  }

  info(...lines: string[]): void {
    this.message({ level: 'info', lines });
  }

  warning(...lines: string[]): void {
    this.message({ level: 'warning', lines });
  }

  /** One object for a program; nothing without `--json`. */
  json(value: JsonRecord): void {
    if (this.options.json) this.#out(Buffer.from(`${JSON.stringify(value)}\n`));
  }

  /** Like many messages that were asked for, but gathered: for lists that can be very long. */
  listed(message: Message): void {
    for (const sink of this.options.records) sink.write(record(message));
    if (this.options.json) return;
    const text = this.#text(message, this.options.out);
    this.#gather(text);
  }

  /** One message that was asked for, of very many lines: each is written as it comes. */
  list(message: Omit<Message, 'lines'>): ListWriter {
    const { json, out, records } = this.options;
    for (const sink of records) sink.write(bytesOf(recordHead(message)));
    return {
      line: (text) => {
        for (const sink of records) sink.write(bytesOf(recordLine(text)));
        if (!json) this.#gather(this.#text({ ...message, lines: [text] }, out));
      },
      close: () => {
        for (const sink of records) sink.write(bytesOf('\n'));
        this.flush();
      },
    };
  }

  flush(): void {
    if (this.#pendingBytes === 0) return;
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#write(this.options.out, bytes);
  }

  #gather(bytes: Buffer): void {
    this.#pending.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes >= FLUSH_AT) this.flush();
  }

  #out(bytes: Buffer): void {
    // JSON lines of hundreds of thousands of files: gathered, but never late for who watches a slow command.
    if (this.#pendingBytes === 0) setImmediate(() => this.flush());
    this.#gather(bytes);
  }

  #console(message: Message): void {
    const sink = message.level === 'error' ? this.options.err : this.options.out;
    if (sink === this.options.err) this.flush();
    else if (this.#pendingBytes > 0) {
      this.#gather(this.#text(message, sink));
      return;
    }
    this.#write(sink, this.#text(message, sink));
  }

  #text({ level, lines }: Message, sink: Sink): Buffer {
    const safe = sink.isTerminal ? lines.map(printable) : lines;
    const stamp = this.options.timestamps ? `${timestamp(new Date())} ${level.toUpperCase().padEnd(6)} ` : '';
    const text = `${stamp}${safe.join('\n')}`;
    const colour = this.options.colours && sink.isTerminal ? COLOURS[level] : undefined;
    return bytesOf(colour === undefined ? `${text}\n` : `\x1b[${colour}m${text}\x1b[0m\n`);
  }

  #write(sink: Sink, bytes: Buffer): void {
    if (sink.isTerminal) this.options.beforeWrite?.();
    sink.write(bytes);
  }
}

const COLOURS: Partial<Record<Level, string>> = { error: '31', warning: '33' };

/** `LEVEL CODE [EXTRA]`, the text with `. ` in front of each line, an empty line. */
function record(message: Message): Buffer {
  const text = message.lines.flatMap((line) => line.split('\n')).map(recordLine);
  return bytesOf(`${recordHead(message)}${text.join('')}\n`);
}

function recordHead({ level, code = 1, extra }: Omit<Message, 'lines'>): string {
  return `${level.toUpperCase()} ${code}${extra === undefined ? '' : ` ${extra}`}\n`;
}

function recordLine(line: string): string {
  return `. ${line}\n`;
}

/** Local time as Python's logging writes it. */
function timestamp(now: Date): string {
  const two = (value: number): string => `${value}`.padStart(2, '0');
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
  return `${day} ${time},${`${now.getMilliseconds()}`.padStart(3, '0')}`;
}
