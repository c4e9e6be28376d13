/**
 * What one call returns: usually a view of the module's memory, without a copy. Only when a call produces more than the
 * output region holds are the parts copied out and joined.
 */

export const NO_BYTES = new Uint8Array(0);

export class Output {
  #parts: Uint8Array[] = [];

  /** Puts a part aside, so that its memory can be used again. */
  spill(part: Uint8Array): void {
    if (part.length > 0) this.#parts.push(part.slice());
  }

  /** Everything since the last call of this: `last` itself when nothing was put aside. */
  take(last: Uint8Array): Uint8Array {
    if (this.#parts.length === 0) return last;
    const parts = [...this.#parts, last];
    this.#parts = [];
    const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      joined.set(part, at);
      at += part.length;
    }
    return joined;
  }
}
