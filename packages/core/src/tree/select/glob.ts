/**
 * Shell patterns to regular expressions (FORMAT.md §13). Nothing is escaped with a backslash; `[*]` is a star.
 * Every expression uses the `u` flag: `?` is one character, not half of a surrogate pair.
 */

import { PatternError } from './rules.js';

/** What stands for a part of a pattern; for all of it, anchors are the caller's. */
export function globSource(pattern: string): string {
  let source = '';
  for (let at = 0; at < pattern.length; ) {
    if (pattern.startsWith('**', at)) {
      source += '[^]*';
      at += 2;
      continue;
    }
    const char = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
    const end = char === '[' ? classEnd(pattern, at) : -1;
    if (end >= 0) {
      source += classSource(pattern.slice(at + 1, end), pattern);
      at = end + 1;
      continue;
    }
    source += char === '*' ? '[^/]*' : char === '?' ? '[^/]' : escapeLiteral(char);
    at += char.length;
  }
  return source;
}

/** The place of the bracket that closes the class opened at `start`, or -1: then `[` is just a character. */
function classEnd(pattern: string, start: number): number {
  let at = start + 1;
  if (pattern[at] === '!' || pattern[at] === '^') at++;
  if (pattern[at] === ']') at++;
  return pattern.indexOf(']', at);
}

/** @param content what stands between the brackets. A class can match `/`, as in duplicity. */
function classSource(content: string, pattern: string): string {
  const negated = content.startsWith('!') || content.startsWith('^');
  const chars = [...(negated ? content.slice(1) : content)];
  let source = '';
  for (let at = 0; at < chars.length; ) {
    const [first = '', dash, last] = chars.slice(at, at + 3);
    if (dash !== '-' || last === undefined) {
      source += escapeInClass(first);
      at++;
      continue;
    }
    if ((first.codePointAt(0) ?? 0) > (last.codePointAt(0) ?? 0)) {
      throw new PatternError('bad-glob', `The range ${first}-${last} in the pattern ${pattern} runs backwards`, {
        subject: pattern,
        hint: 'Write the smaller character first, or put the dash at the end of the brackets.',
      });
    }
    source += `${escapeInClass(first)}-${escapeInClass(last)}`;
    at += 3;
  }
  return `[${negated ? '^' : ''}${source}]`;
}

export function escapeLiteral(char: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(char) ? `\\${char}` : char;
}

export function escapeInClass(char: string): string {
  return /[\\\]^[-]/.test(char) ? `\\${char}` : char;
}

/** The leading parts of a pattern, cut at each `/`; nothing behind the first `**` counts. */
export function leadingParts(pattern: string): string[] {
  const stars = pattern.indexOf('**');
  const components = (stars < 0 ? pattern : pattern.slice(0, stars + 2)).split('/');
  return components
    .map((_, index) => components.slice(0, index + 1).join('/'))
    .map((part) => (part === '' ? '/' : part));
}
