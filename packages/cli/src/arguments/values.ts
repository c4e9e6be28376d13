/** The text of an option to its value. */

import { type Kind, type OptionName, optionSpec, type ValueOfKind, type Values } from '../options/index.js';
import { PAIR_SEPARATOR } from './rewrite.js';
import { UsageError } from './usage-error.js';

type AnyValue = ValueOfKind[Exclude<Kind, 'rule' | 'bareRule' | 'undo'>];

/** Collects values as they are met: the last one of an option counts, lists grow. */
export class ValueCollector {
  readonly #values = new Map<OptionName, AnyValue>();
  readonly #env: NodeJS.ProcessEnv;

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** @throws UsageError */
  add(name: OptionName, text: string | undefined): void {
    const spec = optionSpec(name);
    if (spec.kind === 'undo') {
      for (const known of this.#values.keys()) if (known === spec.negates) this.#values.delete(known);
      return;
    }
    this.#values.set(name, this.#parse(name, text ?? ''));
  }

  /** Every entry was parsed as the kind that the table states for its name. */
  values(): Values {
    return Object.fromEntries(this.#values) as Values;
  }

  #parse(name: OptionName, text: string): AnyValue {
    const { kind, choices } = optionSpec(name);
    if (choices !== undefined && !choices.includes(text)) {
      throw new UsageError(`--${name} can't be ${JSON.stringify(text)}`, `Choose one of ${choices.join(', ')}.`);
    }
    switch (kind) {
      case 'text':
        return text;
      case 'path':
        return expandPath(text, this.#env);
      case 'integer':
      case 'number':
        return parseNumber(name, text, kind);
      case 'list':
        return [...this.#list(name), text];
      case 'words':
        return [...this.#list(name), ...text.split(/\s+/).filter((word) => word !== '')];
      case 'pairs': {
        const [from = '', to = ''] = text.split(PAIR_SEPARATOR);
        return [...this.#pairs(name), [from, to] as const];
      }
      default:
        return true;
    }
  }

  #list(name: OptionName): readonly string[] {
    const known = this.#values.get(name);
    return Array.isArray(known) ? (known as readonly string[]) : [];
  }

  #pairs(name: OptionName): readonly (readonly [string, string])[] {
    const known = this.#values.get(name);
    return Array.isArray(known) ? (known as readonly (readonly [string, string])[]) : [];
  }
}

function parseNumber(name: OptionName, text: string, kind: 'integer' | 'number'): number {
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = optionSpec(name);
  const pattern = kind === 'integer' ? /^[+-]?\d+$/ : /^[+-]?(\d+\.?\d*|\.\d+)$/;
  const value = Number(text.trim());
  if (!pattern.test(text.trim()) || !Number.isFinite(value)) {
    throw new UsageError(
      `--${name} needs ${kind === 'integer' ? 'a whole number' : 'a number'}, not ${JSON.stringify(text)}`,
    );
  }
  if (value < min) throw new UsageError(`--${name} must be at least ${min}`);
  if (value > max) throw new UsageError(`--${name} must be at most ${max}`);
  return value;
}

/** `~`, `~/…`, `$NAME` and `${NAME}`; what isn't set stays as it is. */
export function expandPath(text: string, env: NodeJS.ProcessEnv): string {
  const home = env['HOME'];
  const tilde = home !== undefined && (text === '~' || text.startsWith('~/')) ? home + text.slice(1) : text;
  return tilde.replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, plain: string | undefined, braced: string | undefined) => {
    return env[plain ?? braced ?? ''] ?? whole;
  });
}
