/**
 * Regular expressions as duplicity's users write them, in Python's dialect, to JavaScript's. What is the same stays; what
 * means something else is rewritten (`$` also matches before a last newline, `\w` knows all letters, flags in front);
 * what JavaScript cannot do is refused by name.
 */

import { escapeInClass, escapeLiteral } from './glob.js';
import { PatternError } from './rules.js';

/** @throws PatternError bad-regexp */
export function compileRegexp(pattern: string, options: { readonly ignoreCase: boolean }): RegExp {
  const flags = leadingFlags(pattern);
  const translator = new Translator(pattern, flags.length, {
    dotAll: flags.letters.includes('s'),
    multiline: flags.letters.includes('m'),
  });
  const source = translator.translate();
  const ignoreCase = options.ignoreCase || flags.letters.includes('i');
  try {
    return new RegExp(source, ignoreCase ? 'iu' : 'u');
  } catch (error) {
    const reason = error instanceof Error ? error.message.replace(/^.*\/[a-z]*: /, '') : String(error);
    throw badRegexp(pattern, reason, error);
  }
}

interface Flags {
  readonly letters: string;
  /** Of the text that states them. */
  readonly length: number;
}

/** `(?is)` at the beginning holds for the whole expression. */
function leadingFlags(pattern: string): Flags {
  const match = /^(?:\(\?[aiLmsux]+\))+/.exec(pattern);
  if (match === null) return { letters: '', length: 0 };
  const letters = match[0].replace(/[^a-zA-Z]/g, '');
  if (letters.includes('x')) throw badRegexp(pattern, 'the flag x (verbose) is not supported');
  if (/[aL]/.test(letters)) throw badRegexp(pattern, 'the flags a and L are not supported');
  return { letters, length: match[0].length };
}

const CLASSES: Readonly<Record<string, string>> = {
  d: '\\p{Nd}',
  w: '\\p{L}\\p{N}_',
  s: '\\s\\x1c-\\x1f\\x85',
};
const WORD = `[${CLASSES['w']}]`;
const CONTROLS: Readonly<Record<string, string>> = { a: '\\x07', f: '\\f', n: '\\n', r: '\\r', t: '\\t', v: '\\v' };

class Translator {
  readonly #pattern: string;
  readonly #dotAll: boolean;
  readonly #multiline: boolean;
  #at: number;
  #out = '';

  constructor(pattern: string, start: number, options: { readonly dotAll: boolean; readonly multiline: boolean }) {
    this.#pattern = pattern;
    this.#at = start;
    this.#dotAll = options.dotAll;
    this.#multiline = options.multiline;
  }

  translate(): string {
    while (this.#at < this.#pattern.length) this.#out += this.#next();
    return this.#out;
  }

  #take(): string {
    const char = String.fromCodePoint(this.#pattern.codePointAt(this.#at) ?? 0);
    this.#at += char.length;
    return char;
  }

  #match(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = this.#at;
    const match = expression.exec(this.#pattern);
    if (match !== null) this.#at += match[0].length;
    return match;
  }

  #next(): string {
    const quantifier = this.#match(/\{\d*(?:,\d*)?\}/y)?.[0];
    if (quantifier !== undefined) return bounded(quantifier);
    const char = this.#take();
    switch (char) {
      case '\\':
        return this.#escape();
      case '[':
        return this.#class();
      case '(':
        return this.#group();
      case '.':
        return this.#dotAll ? '[^]' : '[^\\n]';
      case '^':
        return this.#multiline ? '(?<=^|\\n)' : '^';
      case '$':
        return this.#multiline ? '(?=\\n|$)' : '(?=\\n?$)';
      case '{':
      case '}':
      case ']':
        return `\\${char}`;
      case '*':
      case '+':
      case '?':
        if (this.#match(/\+/y) !== null) throw badRegexp(this.#pattern, 'possessive quantifiers are not supported');
        return char;
      case ')':
      case '|':
        return char;
      default:
        return escapeLiteral(char);
    }
  }

  #escape(): string {
    const number = this.#match(/[1-9]\d?/y)?.[0];
    if (number !== undefined) return `(?:\\${number})`;
    const hex = this.#hex();
    if (hex !== undefined) return escapeLiteral(hex);
    if (this.#at >= this.#pattern.length) throw badRegexp(this.#pattern, 'it ends in a backslash');
    const char = this.#take();
    const known = CLASSES[char.toLowerCase()];
    if (known !== undefined) return char === char.toLowerCase() ? `[${known}]` : `[^${known}]`;
    switch (char) {
      case 'A':
        return '(?<![^])';
      case 'Z':
        return '(?![^])';
      case 'b':
        return `(?:(?<=${WORD})(?!${WORD})|(?<!${WORD})(?=${WORD}))`;
      case 'B':
        return `(?:(?<=${WORD})(?=${WORD})|(?<!${WORD})(?!${WORD}))`;
      default:
        return CONTROLS[char] ?? escapeLiteral(this.#plain(char));
    }
  }

  /** `\x41`, `\u20ac`, `\U0001f600`, and octal numbers. */
  #hex(): string | undefined {
    const code = this.#match(/x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})/iy);
    const digits = code?.[1] ?? code?.[2] ?? code?.[3];
    if (digits !== undefined) return String.fromCodePoint(Math.min(Number.parseInt(digits, 16), 0x10ffff));
    const octal = this.#match(/0[0-7]{0,2}/y)?.[0];
    return octal === undefined ? undefined : String.fromCharCode(Number.parseInt(octal, 8));
  }

  /** A character that a backslash changes nothing about. Python refuses letters there, too. */
  #plain(char: string): string {
    if (/[A-Za-z0-9]/.test(char)) throw badRegexp(this.#pattern, `it has the unknown escape \\${char}`);
    return char;
  }

  #group(): string {
    if (this.#match(/\?#[^)]*\)/y) !== null) return '';
    const name = this.#match(/\?P<(\w+)>/y)?.[1];
    if (name !== undefined) return `(?<${name}>`;
    const reference = this.#match(/\?P=(\w+)\)/y)?.[1];
    if (reference !== undefined) return `\\k<${reference}>`;
    const look = this.#match(/\?(?::|=|!|<=|<!)/y)?.[0];
    if (look !== undefined) return `(${look}`;
    if (this.#match(/\?/y) !== null) throw badRegexp(this.#pattern, 'it has a group that is not supported');
    return '(';
  }

  #class(): string {
    const negated = this.#match(/\^/y) !== null;
    let source = '';
    for (let first = true; ; first = false) {
      if (this.#at >= this.#pattern.length) throw badRegexp(this.#pattern, 'a bracket is not closed');
      if (!first && this.#match(/\]/y) !== null) return `[${negated ? '^' : ''}${source}]`;
      const low = this.#classItem();
      if (this.#match(/-(?!\])/y) === null) source += low.source;
      else {
        const high = this.#classItem();
        if (low.isSet || high.isSet) throw badRegexp(this.#pattern, 'a range begins or ends in a set of characters');
        source += `${low.source}-${high.source}`;
      }
    }
  }

  #classItem(): { readonly source: string; readonly isSet: boolean } {
    const char = this.#take();
    if (char !== '\\') return { source: escapeInClass(char), isSet: false };
    const hex = this.#hex();
    if (hex !== undefined) return { source: escapeInClass(hex), isSet: false };
    if (this.#at >= this.#pattern.length) throw badRegexp(this.#pattern, 'a bracket is not closed');
    const escaped = this.#take();
    const known = CLASSES[escaped.toLowerCase()];
    if (known !== undefined) {
      if (escaped === escaped.toLowerCase()) return { source: known, isSet: true };
      if (escaped !== 'D') throw badRegexp(this.#pattern, `\\${escaped} in brackets is not supported`);
      return { source: '\\P{Nd}', isSet: true };
    }
    if (escaped === 'b') return { source: '\\x08', isSet: false };
    return { source: CONTROLS[escaped] ?? escapeInClass(this.#plain(escaped)), isSet: false };
  }
}

/** `{,n}` counts from 0 for Python; `{}` and `{,}`, which are text there or all numbers, are rare enough. */
function bounded(quantifier: string): string {
  if (quantifier === '{}') return '\\{\\}';
  return quantifier.startsWith('{,') ? `{0${quantifier.slice(1)}` : quantifier;
}

function badRegexp(pattern: string, reason: string, cause?: unknown): PatternError {
  const error = new PatternError('bad-regexp', `Bad regular expression ${pattern}: ${reason}`, {
    subject: pattern,
    hint: 'Write it without, or as a shell pattern with --include or --exclude.',
  });
  if (cause !== undefined) error.cause = cause;
  return error;
}
