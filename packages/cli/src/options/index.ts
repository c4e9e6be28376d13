/** All options, and how a name finds its option. */

import { backupOptions } from './backup.js';
import { encryptionOptions } from './encryption.js';
import { generalOptions } from './general.js';
import { profileOptions } from './profiles.js';
import { readingOptions } from './reading.js';
import { selectionOptions } from './selection.js';
import type { OptionSpec, ValueOfKind } from './spec.js';
import { storageOptions } from './storages.js';

export type { SelectionOptionName } from './selection.js';
export * from './spec.js';

export const OPTIONS = {
  ...backupOptions,
  ...selectionOptions,
  ...readingOptions,
  ...encryptionOptions,
  ...generalOptions,
  ...profileOptions,
  ...storageOptions,
} as const;

export type OptionName = keyof typeof OPTIONS;

/** What was given. An option that wasn't is absent: defaults are the engine's. */
export type Values = { readonly [N in OptionName]?: ValueOfKind[(typeof OPTIONS)[N]['kind']] };

/** The option with its own name. */
export function optionSpec(name: OptionName): OptionSpec {
  return OPTIONS[name];
}

export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

/** Every long name, aliases too, to the option's own name. */
export const LONG_NAMES: ReadonlyMap<string, OptionName> = new Map(
  OPTION_NAMES.flatMap((name) =>
    [name, ...(optionSpec(name).aliases ?? [])].map((spelled) => [spelled, name] as const),
  ),
);

export const SHORT_NAMES: ReadonlyMap<string, OptionName> = new Map(
  OPTION_NAMES.flatMap((name) => {
    const { short } = optionSpec(name);
    return short === undefined ? [] : [[short, name] as const];
  }),
);

export type LongName =
  | { readonly name: OptionName; readonly spelled: string }
  | { readonly ambiguous: readonly string[] }
  | undefined;

/**
 * An option by its long name or a beginning of it that means one option only. duplicity's own names go first,
 * so that what was unique for duplicity stays so.
 */
export function findLongName(text: string): LongName {
  const exact = LONG_NAMES.get(text);
  if (exact !== undefined) return { name: exact, spelled: text };
  if (text === '') return undefined;
  const starting = [...LONG_NAMES].filter(([spelled]) => spelled.startsWith(text));
  const known = starting.filter(([, name]) => optionSpec(name).own !== true);
  const found = known.length > 0 ? known : starting;
  const [first] = found;
  if (first === undefined) return undefined;
  if (found.every(([, name]) => name === first[1])) return { name: first[1], spelled: first[0] };
  return { ambiguous: found.map(([spelled]) => spelled).sort() };
}
