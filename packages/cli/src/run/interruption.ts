/** Ctrl-C and its like: the first asks the command to stop where it can go on later, the second stops at once. */

import { constants } from 'node:os';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
type StopSignal = (typeof SIGNALS)[number];

export class Interruption {
  readonly #controller = new AbortController();
  readonly #listener: (signal: NodeJS.Signals) => void;
  #received: StopSignal | undefined;

  constructor(onFirst: (signal: string) => void) {
    this.#listener = (name) => {
      const signal = SIGNALS.find((known) => known === name) ?? 'SIGTERM';
      if (this.#received !== undefined) process.exit(128 + constants.signals[signal]);
      this.#received = signal;
      onFirst(signal);
      this.#controller.abort();
    };
    for (const signal of SIGNALS) process.on(signal, this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get reason(): string | undefined {
    return this.#received;
  }

  /** 128 + n as of a program that the signal ended; duplicity says 4 after Ctrl-C. Undefined when there was none. */
  get exitCode(): number | undefined {
    return this.#received === undefined ? undefined : 128 + constants.signals[this.#received];
  }

  dispose(): void {
    for (const signal of SIGNALS) process.off(signal, this.#listener);
  }
}
