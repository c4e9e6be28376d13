/**
 * The engine's selection language (`core/src/tree/select`), which is not among the names that `@redup/core` exports yet.
 * As soon as it is, this file goes and `selection.ts` imports from `../engine.js`.
 */

import { UsageError } from '../arguments/usage-error.js';
import * as engine from '../engine.js';

type Action = 'include' | 'exclude';

export type SelectionRule =
  | { readonly kind: 'pattern' | 'regexp'; readonly action: Action; readonly pattern: string }
  | { readonly kind: 'filelist'; readonly action: Action; readonly content: string; readonly name: string }
  | { readonly kind: 'exclude-if-present'; readonly name: string }
  | { readonly kind: 'exclude-device-files' | 'exclude-other-filesystems' }
  | { readonly kind: 'exclude-older-than'; readonly time: number }
  | { readonly kind: 'filter'; readonly mode: 'globbing' | 'literal' | 'regexp' }
  | { readonly kind: 'filter-case'; readonly ignoreCase: boolean }
  | { readonly kind: 'files-from'; readonly content: string; readonly name: string };

interface SelectionEngine {
  compileSelection(
    rules: readonly SelectionRule[],
    options: { readonly root: string; readonly questions: object; readonly separator: 'newline' | 'nul' },
  ): engine.Selection;
  questionsAbout(root: string): object;
}

/** @throws UsageError when the engine in use has no selection */
export function selectionEngine(): SelectionEngine {
  const all: object = engine;
  const { compileSelection, questionsAbout } = all as Partial<SelectionEngine>;
  if (compileSelection !== undefined && questionsAbout !== undefined) return { compileSelection, questionsAbout };
  throw new UsageError('Selection options such as --exclude are not supported by this engine');
}
