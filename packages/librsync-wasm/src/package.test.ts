import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** What is published: a report of `npm pack`, which needs the build. */
function packed(): { size: number; unpackedSize: number; files: { path: string }[] } {
  const [report] = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  );
  return report;
}

/** A built module and all that it imports. */
function modulesFrom(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  if (!existsSync(entry)) return seen;
  for (const [, from = ''] of readFileSync(entry, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    modulesFrom(from.startsWith('.') ? join(dirname(entry), from) : from, seen);
  }
  return seen;
}

describe('the package', () => {
  it('is smaller than 60 kB and has neither tests nor maps in it', () => {
    const { size, files } = packed();
    expect(size).toBeLessThan(60_000);
    expect(files.map(({ path }) => path).filter((path) => /test|fuzz|\.map$|\.wasm$|tsbuildinfo/.test(path))).toEqual(
      [],
    );
    expect(files.map(({ path }) => path)).toContain('dist/index.js');
    expect(files.map(({ path }) => path)).toContain('dist/rdiff-wasm/main.js');
  });

  it('imports nothing but itself: no Node API, no dependency', () => {
    const modules = [...modulesFrom(join(ROOT, 'dist/index.js'))];
    expect(modules.length).toBeGreaterThan(8);
    expect(modules.filter((path) => !path.startsWith(join(ROOT, 'dist')))).toEqual([]);
    const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(dependencies).toBeUndefined();
  });

  it('uses no global that browsers lack', () => {
    const code = [...modulesFrom(join(ROOT, 'dist/index.js'))].map((path) => readFileSync(path, 'utf8')).join('\n');
    expect(code.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*|'[^']*'|`[^`]*`/g, '')).not.toMatch(
      /\b(Buffer|process|require|global|setImmediate)\b/,
    );
  });

  it('is compiled and instantiated in less than 5 ms of processor time', () => {
    const code = `import { loadRsync } from ${JSON.stringify(join(ROOT, 'dist/index.js'))};
      const start = process.cpuUsage();
      loadRsync().createSignature().dispose();
      const { user, system } = process.cpuUsage(start);
      console.log((user + system) / 1000);`;
    const times = Array.from({ length: 7 }, () =>
      Number(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' })),
    );
    expect(Math.min(...times)).toBeLessThan(5);
  });
});
