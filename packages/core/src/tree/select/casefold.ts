/** Comparing without regard to case, the way Python's `casefold` does it: full folding, no locale. */

/** Dotless i keeps to itself; upper-casing would make an `I` of it. Capital I with dot: as Python. */
const KEPT = new Set(['\u0131']);

export function casefold(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  let out = '';
  for (const char of text) out += KEPT.has(char) ? char : char.toLowerCase().toUpperCase().toLowerCase();
  return out;
}
