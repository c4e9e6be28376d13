/**
 * The selection against duplicity's own: random trees and random lists of rules, the same entries in the same order.
 * REDUP_SELECT_RUNS says how many of each release; the seed of a failure is printed, FC_SEED repeats it.
 */

import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { cleanEnv, type DuplicityPeerName, isClassic, type Peer, requirePeer, withTempDir } from '@redup/testkit';
import fc from 'fast-check';
import { afterAll, describe, it } from 'vitest';
import { type Case, caseArbitrary, selectedBy, writeCase } from './cases.js';

const RUNS = Number(process.env['REDUP_SELECT_RUNS'] ?? 30);
const SEED = process.env['FC_SEED'] === undefined ? {} : { seed: Number(process.env['FC_SEED']) };

class Oracle {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #replies: AsyncIterator<string>;
  readonly #lines: Interface;

  constructor({ command }: Peer) {
    const script = fileURLToPath(new URL('./duplicity-select.py', import.meta.url));
    const [program] = command;
    const python = program.endsWith('python') || program.endsWith('python3') ? program : '/usr/bin/python3';
    // What duplicity says to people fills the pipe if nobody reads it.
    this.#child = spawn(python, [script], { env: cleanEnv(), stdio: ['pipe', 'pipe', 'ignore'] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#replies = this.#lines[Symbol.asyncIterator]();
  }

  async select(request: Case, cwd: string): Promise<unknown> {
    const { root, rules, nullSeparator } = request;
    this.#child.stdin.write(
      `${JSON.stringify({ cwd, root: root.replace('CWD', cwd), rules: rules.map(([o, v]) => [o, typeof v === 'string' ? v.replaceAll('CWD', cwd) : v]), null: nullSeparator })}\n`,
    );
    const { value } = await this.#replies.next();
    return JSON.parse(value ?? 'null');
  }

  close(): void {
    this.#lines.close();
    this.#child.kill();
  }
}

describe('which files are selected', () => {
  const oracles: Oracle[] = [];
  afterAll(() => {
    for (const oracle of oracles) oracle.close();
  });

  for (const name of ['duplicity-current', 'duplicity-debian'] as const satisfies readonly DuplicityPeerName[]) {
    it(`is the same as with ${name} for random trees and rules`, { timeout: 60_000 + RUNS * 1000 }, async (context) => {
      const peer = requirePeer(context, name);
      const oracle = new Oracle(peer);
      oracles.push(oracle);
      const syntax = isClassic(peer.version) ? 'classic' : 'current';
      const property = fc.asyncProperty(caseArbitrary(syntax), async (each) => {
        await withTempDir('select', async (cwd) => {
          writeCase(each, cwd);
          const expected = await oracle.select(each, cwd);
          const actual = selectedBy(each, cwd);
          if (JSON.stringify(actual) === JSON.stringify(expected)) return;
          throw new Error(
            `redup: ${JSON.stringify(actual)}\nduplicity: ${JSON.stringify(expected)}\nroot: ${each.root} null: ${each.nullSeparator}\nrules: ${JSON.stringify(each.rules)}\ntree: ${JSON.stringify([...each.tree.keys()])}`,
          );
        });
      });
      await fc.assert(property, { numRuns: RUNS, ...SEED });
    });
  }
});
