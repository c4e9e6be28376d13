import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { WASM_BASE64 } from './wasm.generated.js';

describe('the WebAssembly module', () => {
  it('is byte for byte the one whose hash is committed: after a change of assembly/, npm run accept-wasm -w librsync-wasm', () => {
    const bytes = Buffer.from(WASM_BASE64, 'base64');
    const committed = readFileSync(new URL('../wasm.sha256', import.meta.url), 'utf8').trim();
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(committed);
  });
});
