/**
 * The published JSON Schema of what `--json` writes: `schema/output.schema.json`, made of the schemas in this folder
 * (`npm run schemas -w packages/cli`) and compared with them by a test.
 */

import * as z from 'zod';
import { record, SCHEMA_NUMBER } from './records.js';

export interface SchemaOptions {
  /** Whether fields that are not named may be there. Programs must accept them, redup's tests do not. */
  readonly unnamedFields: 'allowed' | 'forbidden';
}

export function outputSchema({ unnamedFields }: SchemaOptions): Record<string, unknown> {
  const schema = z.toJSONSchema(record, {
    override: ({ jsonSchema }) => {
      if (unnamedFields === 'allowed') delete jsonSchema.additionalProperties;
    },
  });
  return {
    ...schema,
    title: `One line of redup --json, schema ${SCHEMA_NUMBER}`,
    description:
      'Further fields, and further values of "type", may come: programs ignore what they do not know. Nothing named here is renamed or removed within a schema number.',
  };
}
