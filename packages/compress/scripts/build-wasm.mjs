// Compiles assembly/ to WebAssembly and embeds it: src/wasm.generated.ts (base64). The hash of the module is committed as
// wasm.sha256 and checked by a test, since the bytes of archives depend on it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const asc = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');
const wasm = `${root}dist/deflate.wasm`;
const options = ['-O3', '--runtime', 'stub', '--noAssert', '--converge', '--initialMemory', '8'];

mkdirSync(`${root}dist`, { recursive: true });
const run = spawnSync(process.execPath, [asc, 'assembly/index.ts', '-o', wasm, ...options], {
  cwd: root,
  stdio: 'inherit',
});
if (run.status !== 0) process.exit(run.status ?? 1);

const bytes = readFileSync(wasm);
const source = `/** The compiled assembly/ folder, written by scripts/build-wasm.mjs. */\nexport const WASM_BASE64: string =\n  '${bytes.toString('base64')}';\n`;
// In one step: another build may be reading it.
writeFileSync(`${root}dist/wasm.generated.ts.${process.pid}`, source);
renameSync(`${root}dist/wasm.generated.ts.${process.pid}`, `${root}src/wasm.generated.ts`);
if (process.argv.includes('--accept')) {
  writeFileSync(`${root}wasm.sha256`, `${createHash('sha256').update(bytes).digest('hex')}\n`);
}
