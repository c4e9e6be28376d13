/**
 * A fuzzer: takes inputs of the corpus, changes them at random and runs the target; an input that reaches code which no
 * other reached joins the corpus for the rest of the run. What is tried follows from the seed.
 */

import { CodeCoverage } from './coverage.js';
import { mutated, numbers } from './mutate.js';

/** Takes any bytes and must end quickly: normally, or by throwing when the property does not hold. */
export interface FuzzTarget {
  /** Folder of its corpus. */
  readonly name: string;
  /** Words of the format, which chance would not find. */
  readonly words?: readonly string[];
  /** Bytes of the longest input; default 4096. */
  readonly longest?: number;
  run(input: Uint8Array): void | Promise<void>;
}

export interface FuzzOptions {
  readonly seed: number;
  /** @param runs inputs tried so far */
  stop(runs: number): boolean;
  /** URLs of the scripts whose coverage guides. */
  readonly covers: RegExp;
  /** Processor time that one input may take; default 2 s. */
  readonly limitMs?: number;
}

export interface FuzzReport {
  readonly runs: number;
  /** Inputs that reached new code. */
  readonly found: number;
  /** Most processor time one input took. */
  readonly slowestMs: number;
  readonly failure: { readonly input: Uint8Array; readonly error: unknown } | undefined;
}

/** A look at the coverage of a whole process takes a tenth of a second, so batches grow until looking costs little beside running. */
const SMALLEST_BATCH = 64;
const LARGEST_BATCH = 8192;
const RUNNING_TO_LOOKING = 4;
const MOST_FOUND = 4000;

export async function fuzz(
  target: FuzzTarget,
  seeds: readonly Uint8Array[],
  options: FuzzOptions,
): Promise<FuzzReport> {
  const coverage = new CodeCoverage(options.covers);
  const run = new Run(target, seeds, options, coverage);
  try {
    return await run.execute();
  } finally {
    coverage.close();
  }
}

class Run {
  readonly #target: FuzzTarget;
  readonly #options: FuzzOptions;
  readonly #coverage: CodeCoverage;
  readonly #corpus: Uint8Array[];
  readonly #words: readonly Uint8Array[];
  #runs = 0;
  #found = 0;
  #slowestMs = 0;

  constructor(target: FuzzTarget, seeds: readonly Uint8Array[], options: FuzzOptions, coverage: CodeCoverage) {
    this.#target = target;
    this.#options = options;
    this.#coverage = coverage;
    this.#corpus = [...seeds];
    this.#words = (target.words ?? []).map((word) => Buffer.from(word, 'latin1'));
  }

  async execute(): Promise<FuzzReport> {
    const { seed, stop } = this.#options;
    const random = numbers(seed);
    const longest = this.#target.longest ?? 4096;
    let size = SMALLEST_BATCH;
    const failure = await this.#tryAll(this.#corpus);
    if (failure !== undefined) return this.#report(failure);
    this.#coverage.claim();
    for (;;) {
      const batch = Array.from({ length: size }, () => mutated(this.#corpus, this.#words, random, longest));
      const start = performance.now();
      const failure = await this.#tryAll(batch);
      if (failure !== undefined) return this.#report(failure);
      const ran = performance.now();
      const fresh = this.#coverage.peek() > 0;
      if (ran - start < RUNNING_TO_LOOKING * (performance.now() - ran)) size = Math.min(size * 2, LARGEST_BATCH);
      if (fresh) await this.#keepFinders(batch);
      if (stop(this.#runs)) return this.#report(undefined);
    }
  }

  /** Something in the batch reached new code: halves of it run again until it is known which, and those are kept. */
  async #keepFinders(batch: readonly Uint8Array[]): Promise<void> {
    const middle = Math.floor(batch.length / 2);
    for (const part of middle === 0 ? [batch] : [batch.slice(0, middle), batch.slice(middle)]) {
      await this.#tryAll(part);
      if (this.#options.stop(this.#runs)) return;
      const [only, ...others] = part;
      if (only === undefined || this.#coverage.peek() === 0) continue;
      if (others.length > 0) await this.#keepFinders(part);
      else await this.#keep(only);
    }
  }

  async #keep(input: Uint8Array): Promise<void> {
    await this.#try(input);
    if (this.#coverage.claim() === 0 || this.#corpus.includes(input) || this.#found >= MOST_FOUND) return;
    this.#corpus.push(input);
    this.#found++;
  }

  async #tryAll(inputs: readonly Uint8Array[]): Promise<FuzzReport['failure']> {
    for (const input of inputs) {
      const failure = await this.#try(input);
      if (failure !== undefined) return failure;
      if (this.#options.stop(this.#runs)) return undefined;
    }
    return undefined;
  }

  async #try(input: Uint8Array): Promise<FuzzReport['failure']> {
    const start = process.cpuUsage();
    try {
      await this.#target.run(input);
    } catch (error) {
      return { input, error };
    }
    const { user, system } = process.cpuUsage(start);
    const took = (user + system) / 1000;
    this.#slowestMs = Math.max(this.#slowestMs, took);
    this.#runs++;
    const limit = this.#options.limitMs ?? 2000;
    return took > limit ? { input, error: new Error(`It took ${took.toFixed(0)} ms`) } : undefined;
  }

  #report(failure: FuzzReport['failure']): FuzzReport {
    return { runs: this.#runs, found: this.#found, slowestMs: this.#slowestMs, failure };
  }
}
