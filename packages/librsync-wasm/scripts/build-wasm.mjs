// Compiles assembly/ to WebAssembly and embeds it: src/wasm.generated.ts (base64) and wasm.sha256 (committed, checked by a test).
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const asc = createRequire(import.meta.url).resolve('assemblyscript/bin/asc.js');
const wasm = `${root}dist/rsync.wasm`;
const options = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--noAssert', '--converge', '--initialMemory', '1'];

mkdirSync(`${root}dist`, { recursive: true });
const run = spawnSync(process.execPath, [asc, 'assembly/index.ts', '-o', wasm, ...options], {
  cwd: root,
  stdio: 'inherit',
});
if (run.status !== 0) process.exit(run.status ?? 1);

const bytes = readFileSync(wasm);
// In one step: another build may be reading it.
writeFileSync(
  `${root}dist/wasm.generated.ts.${process.pid}`,
  `/** The compiled assembly/ folder, written by scripts/build-wasm.mjs. */\nexport const WASM_BASE64: string =\n  '${bytes.toString('base64')}';\n`,
);
renameSync(`${root}dist/wasm.generated.ts.${process.pid}`, `${root}src/wasm.generated.ts`);
writeFileSync(`${root}dist/rsync.wasm.sha256`, `${createHash('sha256').update(bytes).digest('hex')}\n`);
if (process.argv.includes('--accept'))
  writeFileSync(`${root}wasm.sha256`, readFileSync(`${root}dist/rsync.wasm.sha256`));
