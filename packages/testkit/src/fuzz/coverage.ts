/**
 * Which code ran since the last look, by V8's own block coverage: what guides the fuzzer towards inputs that reach further.
 * A look costs some hundred milliseconds, so the fuzzer looks at batches.
 */

import inspector from 'node:inspector';

type OnFresh = (seen: Uint8Array, at: number) => void;

export class CodeCoverage {
  readonly #session = new inspector.Session();
  readonly #covers: RegExp;
  /** By script: one byte for each character of it that ever ran. */
  readonly #seen = new Map<string, Uint8Array>();

  /** @param covers matches the URLs of the scripts that count */
  constructor(covers: RegExp) {
    this.#covers = covers;
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  /** How many characters of code ran since the last call of either method that were never claimed. */
  peek(): number {
    return this.#take(() => {});
  }

  /** The same, and from now on they are known. */
  claim(): number {
    return this.#take((seen, at) => {
      seen[at] = 1;
    });
  }

  close(): void {
    this.#session.disconnect();
  }

  #take(onFresh: OnFresh): number {
    let fresh = 0;
    this.#session.post('Profiler.takePreciseCoverage', (error, { result }) => {
      if (error !== null) throw error;
      for (const { scriptId, url, functions } of result) {
        if (this.#covers.test(url)) fresh += this.#note(`${scriptId} ${url}`, functions, onFresh);
      }
    });
    return fresh;
  }

  #note(script: string, functions: readonly inspector.Profiler.FunctionCoverage[], onFresh: OnFresh): number {
    let fresh = 0;
    for (const { ranges } of functions) {
      const [whole] = ranges;
      if (whole === undefined || whole.count === 0) continue;
      // A block without a range of its own ran as often as the one around it.
      const ran = new Uint8Array(whole.endOffset - whole.startOffset).fill(1);
      for (const { startOffset, endOffset, count } of ranges)
        ran.fill(count > 0 ? 1 : 0, startOffset - whole.startOffset, endOffset - whole.startOffset);
      const seen = this.#seenOf(script, whole.endOffset);
      for (const [index, flag] of ran.entries()) {
        const at = whole.startOffset + index;
        if (flag === 0 || seen[at] === 1) continue;
        onFresh(seen, at);
        fresh++;
      }
    }
    return fresh;
  }

  #seenOf(script: string, length: number): Uint8Array {
    const known = this.#seen.get(script);
    if (known !== undefined && known.length >= length) return known;
    const grown = new Uint8Array(length * 2);
    if (known !== undefined) grown.set(known);
    this.#seen.set(script, grown);
    return grown;
  }
}
