/** The values that records are made of. */

import * as z from 'zod';
import { COMMAND_NAMES } from '../commands.js';

export const literal = <const T extends string>(text: T) => z.literal(text);
export const command = z.enum(COMMAND_NAMES);
export const exitCode = z.int().min(0).max(255);
export const count = z.int().min(0);
export const bytes = z.number().min(0).describe('bytes');
export const seconds = z.number().describe('seconds since 1970, UTC');

/** A path is text; where it is no UTF-8, a second field has its bytes. */
export function path<const K extends string>(key: K) {
  const base64 = z.string().optional().describe(`the bytes of ${key} in base64, where they are not UTF-8`);
  return { [key]: z.string(), [`${key}Base64`]: base64 } as { [P in K]: z.ZodString } & {
    [P in `${K}Base64`]: typeof base64;
  };
}
