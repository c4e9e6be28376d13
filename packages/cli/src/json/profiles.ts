/** The records in which `run` tells what it does. */

import * as z from 'zod';
import { backup, cleanup, prune } from './results.js';
import { command, exitCode, literal } from './values.js';

export const step = z
  .object({
    type: literal('step'),
    profile: z.string(),
    command,
    state: z.enum(['begin', 'end']),
    exitCode: exitCode.optional().describe('at its end'),
    result: z
      .union([backup, prune, cleanup])
      .optional()
      .describe('what the command would have written as its last line'),
  })
  .meta({ id: 'step', description: 'A command of a profile begins or ended.' });
