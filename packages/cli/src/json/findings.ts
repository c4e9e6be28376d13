/** What `check` finds. */

import * as z from 'zod';
import { literal, path, seconds } from './values.js';

const optionalPath = <const K extends string>(key: K) => z.object(path(key)).partial().shape;

const fields = {
  code: z.enum([
    'MANIFEST_MISSING',
    'MANIFEST_DAMAGED',
    'MANIFEST_WRONG',
    'MANIFEST_COPY',
    'VOLUME_MISSING',
    'VOLUME_SIZE',
    'VOLUME_DAMAGED',
    'SIGNATURES_MISSING',
    'SIGNATURES_DAMAGED',
    'SIGNATURES_WRONG',
    'SIGNATURES_ORPHANED',
    'ENTRY_DAMAGED',
    'SIGNER',
    'DUPLICATE',
    'SET_ORPHANED',
    'SET_UNFINISHED',
    'NO_HASH',
    'NOT_READABLE',
  ]),
  message: z.string(),
  affects: z.enum(['restores', 'lists-and-increments', 'nothing']).describe('what does not work because of it'),
  times: z.array(seconds).readonly().describe('the backups concerned, oldest first'),
  object: z.string().optional().describe('the file in the target'),
  ...optionalPath('path'),
  ...optionalPath('firstPath'),
  ...optionalPath('lastPath'),
  repairable: z.boolean().describe('check --repair puts it right'),
  hint: z.string().describe('what to do'),
};

export const findingFields = z.object(fields).meta({ id: 'finding-fields' });

export const finding = z
  .object({ type: literal('finding'), ...fields })
  .meta({ id: 'finding', description: 'check found something; firstPath and lastPath span what a volume holds.' });

export type FindingRecord = z.infer<typeof findingFields>;
