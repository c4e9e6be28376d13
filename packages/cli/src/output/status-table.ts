/** What the tables of `collection-status` have in common. */

import type { SetStatus } from '../engine.js';
import { localTime } from './format.js';

export const RULE = '-------------------------';

/** The first two columns of a set. */
export function typeAndTime({ type, time }: SetStatus): string {
  return columns(type === 'full' ? 'Full' : 'Incremental', localTime(time));
}

export const TYPE_AND_TIME = columns('Type of backup set:', 'Time:');

function columns(type: string, time: string): string {
  return `${type.padStart(20)}   ${time.padStart(30)}`;
}
