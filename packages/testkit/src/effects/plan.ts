/** What a program under test is to suffer at one of its file-system calls or requests. */

/** How the preloaded module learns of the plan. */
export const PLAN_VARIABLE = 'REDUP_TEST_EFFECTS';

export type Suffering =
  /** Nothing: the calls are only counted and listed. */
  | { readonly kind: 'none' }
  /** SIGKILL before the call takes effect; a write has written half of its bytes. */
  | { readonly kind: 'kill' }
  /** SIGKILL, and what was not synced may be lost: see `power-cut.ts`. Without `at`, the power fails after the end. */
  | { readonly kind: 'power-cut'; readonly seed: number }
  /** The call fails with this error; `lasting`: so do all later ones of its kind. */
  | { readonly kind: 'fail'; readonly code: string; readonly lasting: boolean };

export interface EffectPlan {
  /** Calls about something below one of these count; absolute. */
  readonly folders: readonly string[];
  /** `effects`: calls that change something. `all`: every call that can fail. */
  readonly calls: 'effects' | 'all';
  /** Which call suffers, from 1. */
  readonly at?: number;
  readonly suffering: Suffering;
  /** A file that gets a line for each call that counts, before the call. */
  readonly log: string;
}
