import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { parseArguments } from '../arguments/parse.js';
import { OPTION_NAMES, optionSpec } from '../options/index.js';
import { isShown } from '../options/spec.js';

function textOf(...argv: string[]): string {
  const parsed = parseArguments(argv, {}, '1.2.3');
  return parsed.kind === 'text' ? parsed.text : '';
}

describe('the manual page', () => {
  it('names every option that the help shows, and what the exit codes mean', () => {
    const page = textOf('man');
    for (const name of OPTION_NAMES) {
      const isThere = page.includes(`\\fB\\-\\-${name.replace(/-/g, '\\-')}\\fR`);
      expect([name, isThere]).toEqual([name, isShown(optionSpec(name))]);
    }
    expect(page).toContain('.SH EXIT STATUS');
  });
});

describe('the completion', () => {
  it('for bash offers commands, and the options of the command that was typed', () => {
    const script = textOf('completion', 'bash');
    const offered = (line: string): string[] => {
      const words = line.split(' ');
      const program = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _redup; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', program, 'bash', ...words], { encoding: 'utf8' })
        .stdout.trim()
        .split('\n');
    };
    expect(offered('redup co')).toEqual(['collection-status', 'completion']);
    expect(offered('redup verify --compare')).toEqual(['--compare-data', '--compare-metadata']);
    expect(offered('redup ls --vols')).toEqual(['']);
  });

  it('is there for three shells and refused for others', () => {
    for (const shell of ['bash', 'zsh', 'fish']) expect(textOf('completion', shell)).toContain('compare-data');
    expect(() => textOf('completion', 'tcsh')).toThrow('no completion for tcsh');
  });

  it('does not stand in the way of a folder of that name', () => {
    expect(parseArguments(['man', 'file:///t'], {}, '1').kind).toBe('run');
  });
});
