import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { edited, Random, Rdiff } from '../../test/rdiff.js';
import { run } from './command.js';

const rdiff = new Rdiff();
afterAll(() => rdiff[Symbol.dispose]());
process.chdir(rdiff.folder);
const at = (name: string) => join(rdiff.folder, name);

const random = new Random(123);
writeFileSync(at('old'), random.bytes(300_000));
writeFileSync(at('new'), edited(readFileSync(at('old')), 5, random));
writeFileSync(at('empty'), '');
writeFileSync(at('junk'), 'this is neither signature nor delta');
writeFileSync(at('reserved'), Buffer.from('7273023655', 'hex'));
writeFileSync(at('cut'), Buffer.from('7273023645', 'hex'));
writeFileSync(at('beyond'), Buffer.from('7273023651000000000fffffff0100', 'hex'));

const MAIN = fileURLToPath(new URL('../../dist/rdiff-wasm/main.js', import.meta.url));

/** The built command, in the folder. */
function command(args: string[], input?: Buffer) {
  const { status, stdout } = spawnSync(process.execPath, [MAIN, ...args], {
    cwd: rdiff.folder,
    input,
    maxBuffer: 1 << 24,
  });
  return { status, stdout };
}

/** The command in this process: exit code and what it said. */
function inProcess(...args: string[]): { status: number; said: string[] } {
  const said: string[] = [];
  const status = run(
    args,
    (line) => said.push(line),
    (line) => said.push(line),
  );
  return { status, said };
}

describe('rdiff-wasm', () => {
  for (const options of [
    [],
    ['-b', '2048'],
    ['-b2048', '-S', '8', '-Hmd4', '-R', 'rollsum'],
    ['--hash=md4', '--rollsum=rabinkarp', '--sum-size=-1'],
    ['-S', '-1', '--block-size', '700'],
    ['-H', 'blake2', '-R', 'rollsum', '-I', '8192', '-O', '8192'],
  ]) {
    it(`writes rdiff’s signature with ${options.join(' ') || 'no options'}`, () => {
      expect(rdiff.run('-f', ...options, 'signature', 'old', 'theirs').status).toBe(0);
      expect(inProcess('-f', ...options, 'signature', 'old', 'ours').status).toBe(0);
      expect(readFileSync(at('ours')).equals(readFileSync(at('theirs')))).toBe(true);
    });
  }

  it('works in pipes, where the length is unknown, and together with rdiff', () => {
    const signature = command(['signature'], readFileSync(at('old')));
    expect(signature.stdout.subarray(0, 12).toString('hex')).toBe('727301470000080000000020');
    writeFileSync(at('sig'), signature.stdout);
    expect(rdiff.run('-f', 'delta', 'sig', 'new', 'delta').status).toBe(0);
    const patched = command(['patch', 'old', '-', '-'], readFileSync(at('delta')));
    expect(patched.stdout.equals(readFileSync(at('new')))).toBe(true);
    const delta = command(['delta', 'sig'], readFileSync(at('new')));
    writeFileSync(at('delta2'), delta.stdout);
    expect(rdiff.run('patch', 'old', 'delta2').stdout.equals(readFileSync(at('new')))).toBe(true);
  });

  it('overwrites only when it is told to', () => {
    expect(inProcess('signature', 'old', 'new').status).toBe(100);
    expect(inProcess('-f', 'signature', 'old', 'sig').status).toBe(0);
    expect(inProcess('--force', 'signature', 'old', 'sig').status).toBe(0);
  });

  it('tells statistics, version and help when asked', () => {
    expect(inProcess('-f', '-s', 'signature', 'empty', 'sig').said).toEqual([
      'rdiff-wasm: signature statistics: 0 bytes in, 12 bytes out',
    ]);
    expect(inProcess('-V').said[0]).toMatch(/^rdiff-wasm \(librsync-wasm \d+\.\d+\.\d+\)$/);
    expect(inProcess('-?').said[0]).toMatch(/^Usage: /);
    expect(inProcess('-v', '-f', 'signature', 'empty', 'sig').said).toHaveLength(1);
  });

  it('names what rdiff takes for damage or dies of', () => {
    expect(inProcess('-f', 'delta', 'junk', 'new', 'o').status).toBe(104);
    expect(inProcess('-f', '-b', '-3', 'signature', 'old', 'o').status).toBe(108);
  });

  for (const args of [
    [],
    ['bogus'],
    ['-Q', 'signature', 'old'],
    ['-f', '-H', 'sha', 'signature', 'old', 'o'],
    ['-f', '-R', 'adler', 'signature', 'old', 'o'],
    ['delta'],
    ['patch'],
    ['-f', 'signature', 'absent', 'o'],
    ['-f', 'signature', 'old', 'absent/o'],
    ['-f', '-S', '40', 'signature', 'old', 'o'],
    ['-f', 'patch', 'old', 'junk', 'o'],
    ['-f', 'patch', 'old', 'reserved', 'o'],
    ['-f', 'patch', 'old', 'cut', 'o'],
    ['-f', 'patch', 'old', 'beyond', 'o'],
  ]) {
    it(`ends ‘${args.join(' ')}’ with rdiff’s exit code`, () => {
      const { status, said } = inProcess(...args);
      expect(status).toBe(rdiff.run(...args).status);
      expect(status).not.toBe(0);
      expect(said[0]).toMatch(/^rdiff-wasm: /);
    });
  }
});
