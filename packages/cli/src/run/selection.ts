/** The selection options as the engine wants them. */

import { UsageError } from '../arguments/usage-error.js';
import type { Selection } from '../engine.js';
import type { Session } from './session.js';

/** Undefined when everything is wanted. */
export function compileSelection({ invocation }: Session, _source: string): Selection | undefined {
  const [first] = invocation.rules;
  if (first === undefined) return undefined;
  throw new UsageError(`--${first.option} is not there yet`);
}
