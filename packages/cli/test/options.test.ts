/** Every option and command that a release of duplicity names in its own help is understood, and what is not done is said. */

import { cleanEnv, isClassic, type Peer, requirePeer, run } from '@redup/testkit';
import { describe, expect, it } from 'vitest';
import { parseArguments } from '../src/arguments/parse.js';
import { UsageError } from '../src/arguments/usage-error.js';
import { findLongName, optionSpec } from '../src/options/index.js';
import { parseLevel } from '../src/output/levels.js';

const URL = 'file:///t';

/** A value of the right form for options that want one. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  verbosity: ['notice'],
  'metadata-sync-mode': ['full'],
  rename: ['a', 'b'],
};

interface HelpedOption {
  readonly name: string;
  readonly takesValue: boolean;
}

/** Both releases write `--name`, then, if there is one, the value; 0.8 with `=`, 3 with a blank. */
async function optionsOf(peer: Peer): Promise<HelpedOption[]> {
  const [program, ...first] = peer.command;
  const asking = isClassic(peer.version)
    ? ['--help']
    : ['backup', 'restore', 'verify', 'collection-status', 'cleanup', 'remove-older-than', 'list-current-files'].map(
        (command) => `--help-${command}`,
      );
  const found = new Map<string, HelpedOption>();
  for (const ask of asking) {
    const { stdout } = await run(program, [...first, ask], { env: cleanEnv({ COLUMNS: '200' }) });
    for (const [, name = '', value] of stdout.matchAll(/^ {1,4}(?:-\w(?: \w+)?, )?--([a-z0-9-]+)(=\S+| (?! )\S+)?/gm))
      found.set(name, { name, takesValue: value !== undefined });
  }
  return [...found.values()].filter(({ name }) => !/^(help|version)/.test(name));
}

describe('every option in the help of', () => {
  for (const [release, least] of [
    ['duplicity-current', 110],
    ['duplicity-debian', 90],
    ['duplicity-1', 90],
  ] as const) {
    it(`${release} is understood, or refused by name`, { timeout: 60_000 }, async (context) => {
      const options = await optionsOf(requirePeer(context, release));
      expect(options.length).toBeGreaterThan(least);
      const refused: string[] = [];
      for (const { name } of options) {
        const found = findLongName(name);
        expect(found, `--${name}`).toMatchObject({ spelled: name });
        if (found === undefined || 'ambiguous' in found) continue;
        const { arg, kind } = optionSpec(found.name);
        const number = kind === 'integer' || kind === 'number' ? ['5'] : ['x'];
        const value = arg === undefined ? [] : (VALUES[found.name] ?? number);
        try {
          const parsed = parseArguments(['full', `--${name}`, ...value, 'src', URL], {}, '1');
          if (parsed.kind === 'run') expect(parsed.invocation.operands, `--${name}`).toEqual(['src', URL]);
        } catch (error) {
          if (!(error instanceof UsageError) || !error.message.startsWith(`--${found.name}: `)) throw error;
          refused.push(name);
        }
      }
      expect(refused.sort()).toEqual(options.some(({ name }) => name === 'use-gpgsm') ? ['use-gpgsm'] : []);
      const differing = options.filter(({ name, takesValue }) => {
        const found = findLongName(name);
        if (found === undefined || 'ambiguous' in found) return true;
        return (optionSpec(found.name).arg !== undefined) !== takesValue;
      });
      expect(differing.map(({ name }) => name)).toEqual([]);
    });
  }
});

it('what redup has no use for is said in one line each, once', () => {
  const args = ['full', '--gio', '--gio', '--ssh-options', '-oPort=1', '--short-filenames', 'src', URL];
  const parsed = parseArguments(args, {}, '1');
  expect(parsed).toMatchObject({
    kind: 'run',
    invocation: {
      notices: [
        '--gio is ignored: it concerns GIO, which redup does not use',
        '--ssh-options is ignored: it concerns SSH, which redup does not use',
        '--short-filenames is ignored: short names are read, long ones are written',
      ],
    },
  });
});

it('verbosity is understood in every spelling', () => {
  const spellings = {
    error: ['0', 'e', 'error', 'E', 'ERROR'],
    warning: ['1', '2', 'w', 'warning', 'Warning'],
    notice: ['3', '4', 'n', 'notice'],
    info: ['5', '6', '7', '8', 'i', 'info'],
    debug: ['9', 'd', 'debug'],
  };
  for (const [level, texts] of Object.entries(spellings)) expect(texts.map(parseLevel)).toEqual(texts.map(() => level));
  for (const args of [['-v5'], ['-v', '5'], ['--verbosity=5'], ['--verbosity', 'info'], ['-vinfo'], ['--verb', 'i']]) {
    const parsed = parseArguments(['st', ...args, URL], {}, '1');
    expect(parsed.kind === 'run' && parseLevel(parsed.invocation.values.verbosity ?? '')).toBe('info');
  }
});
