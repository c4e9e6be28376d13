#!/usr/bin/env node
/** Writes the published JSON Schemas from the built code: `npm run schemas -w packages/cli`. */
import { writeFileSync } from 'node:fs';
import { outputSchema } from '../dist/json/schema.js';
import { configSchema } from '../dist/profile/schema.js';

const folder = new URL('../schema/', import.meta.url);
write('config.schema.json', configSchema());
write('output.schema.json', outputSchema({ unnamedFields: 'allowed' }));

function write(name, schema) {
  writeFileSync(new URL(name, folder), `${JSON.stringify(schema, undefined, 2)}\n`);
}
