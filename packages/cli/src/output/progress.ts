/**
 * One line on a terminal that says how far a command is. Own code: the libraries for this draw bars towards a total, and
 * a backup has none before it is over. It draws at most ten times a second and is taken away before anything else is written.
 */

import type { ProgressEvent } from '../engine.js';
import { clock, grouped, humanBytes } from './format.js';
import type { Sink } from './log.js';
import { columnsOf, endOf, printable, textOf } from './text.js';

export interface ProgressOptions {
  readonly terminal: Sink;
  readonly columns: () => number;
  readonly now: () => number;
  /** What is done with bytes of the target: `stored`, `read`. */
  readonly verb: string;
}

const REDRAW_MS = 100;
/** The rate is that of the last seconds, not of the whole run. */
const RATE_WINDOW_MS = 5000;

export class ProgressLine {
  readonly #options: ProgressOptions;
  readonly #started: number;
  #event: ProgressEvent | undefined;
  #phase = '';
  #storedBytes = 0;
  #shown = false;
  #lastDraw = 0;
  #marks: { at: number; bytes: number }[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(options: ProgressOptions) {
    this.#options = options;
    this.#started = options.now();
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS * 2);
    this.#timer.unref();
  }

  phase(text: string): void {
    this.#phase = text;
    this.#drawIfDue();
  }

  update(event: ProgressEvent): void {
    this.#event = event;
    this.#storedBytes = Math.max(this.#storedBytes, event.storedBytes);
    this.#drawIfDue();
  }

  stored(bytes: number): void {
    this.#storedBytes += bytes;
    this.#drawIfDue();
  }

  /** Takes the line away; it comes back with the next drawing. */
  clear(): void {
    if (this.#shown) this.#options.terminal.write(Buffer.from('\r\x1b[K'));
    this.#shown = false;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.clear();
  }

  #drawIfDue(): void {
    if (this.#options.now() - this.#lastDraw >= REDRAW_MS) this.#draw();
  }

  #draw(): void {
    this.#lastDraw = this.#options.now();
    this.#options.terminal.write(Buffer.from(`\r${this.#line()}\x1b[K`));
    this.#shown = true;
  }

  #line(): string {
    const { columns, now, verb } = this.#options;
    const width = Math.max(20, columns() - 1);
    const elapsed = (now() - this.#started) / 1000;
    const event = this.#event;
    const parts = [clock(elapsed), this.#phase];
    if (event !== undefined) {
      parts.push(`${grouped(event.files)} files`, humanBytes(event.bytes), `${humanBytes(this.#rate(event.bytes))}/s`);
    }
    if (this.#storedBytes > 0) parts.push(`${humanBytes(this.#storedBytes)} ${verb}`);
    const figures = parts.filter((part) => part !== '').join('  ');
    const room = width - columnsOf(figures) - 2;
    const path = event === undefined || room < 8 ? '' : `  ${endOf(printable(textOf(event.path)), room)}`;
    return figures.slice(0, width) + path;
  }

  #rate(bytes: number): number {
    const at = this.#options.now();
    this.#marks.push({ at, bytes });
    while (this.#marks.length > 2 && at - (this.#marks[0]?.at ?? at) > RATE_WINDOW_MS) this.#marks.shift();
    const first = this.#marks[0];
    if (first === undefined || at === first.at) return 0;
    return Math.max(0, ((bytes - first.bytes) * 1000) / (at - first.at));
  }
}
