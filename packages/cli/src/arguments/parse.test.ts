import { describe, expect, it } from 'vitest';
import { COMMAND_NAMES } from '../commands.js';
import { LONG_NAMES, OPTION_NAMES, optionSpec } from '../options/index.js';
import { type Invocation, parseArguments } from './parse.js';
import { UsageError } from './usage-error.js';

const ENV = { HOME: '/home/me', BACKUPS: '/mnt/b' };

function parse(...argv: string[]): Invocation {
  const parsed = parseArguments(argv, ENV, '1.2.3');
  if (parsed.kind === 'text') throw new Error(parsed.text);
  return parsed.invocation;
}

function textOf(...argv: string[]): string {
  const parsed = parseArguments(argv, ENV, '1.2.3');
  return parsed.kind === 'text' ? parsed.text : '';
}

function refusal(...argv: string[]): string {
  try {
    parse(...argv);
  } catch (error) {
    if (error instanceof UsageError) return `${error.message}. ${error.hint ?? ''}`;
    throw error;
  }
  return 'accepted';
}

describe('the command', () => {
  it('is known by its name and by its aliases', () => {
    for (const [word, command] of [
      ['backup', 'backup'],
      ['bu', 'backup'],
      ['full', 'full'],
      ['fb', 'full'],
      ['incr', 'incremental'],
      ['inc', 'incremental'],
      ['ib', 'incremental'],
    ] as const) {
      expect(parse(word, 'src', 'file:///t').command).toBe(command);
    }
    expect(parse('rb', 'file:///t', 'out').command).toBe('restore');
    expect(parse('vb', 'file:///t', 'out').command).toBe('verify');
    expect(parse('ls', 'file:///t').command).toBe('list-current-files');
    expect(parse('st', 'file:///t').command).toBe('collection-status');
  });

  it('may be abbreviated as in 0.8 where that is unambiguous and fits', () => {
    expect(parse('fu', 'src', 'file:///t').command).toBe('full');
    expect(parse('i', 'src', 'file:///t').command).toBe('incremental');
    expect(parse('coll', 'file:///t').command).toBe('collection-status');
    expect(refusal('remove', '3', 'file:///t')).toContain('remove-older-than, remove-all-but-n-full');
  });

  it('is told by the order of two arguments when there is none', () => {
    expect(parse('src', 'file:///t')).toMatchObject({ command: 'backup', operands: ['src', 'file:///t'] });
    expect(parse('file:///t', 'out')).toMatchObject({ command: 'restore', operands: ['file:///t', 'out'] });
    expect(parse('src', 'file:///t').notices).toHaveLength(1);
    expect(refusal('src', 'out')).toContain('neither argument is a URL');
    expect(refusal('file:///a', 'file:///b')).toContain('both arguments are URLs');
  });

  it('is not taken from a folder whose name begins like one', () => {
    expect(parse('f', 'file:///t')).toMatchObject({ command: 'backup', operands: ['f', 'file:///t'] });
  });

  it('decides, not the order of its arguments: restore PATH URL is refused', () => {
    expect(refusal('restore', '/data', 'file:///t')).toContain('/data is no URL');
    expect(refusal('full', 'file:///t', '/data')).toContain('URL where a folder is due');
    expect(refusal('verify', '/data', 'file:///t')).toContain('/data is no URL');
  });

  it('is suggested when it is mistyped', () => {
    expect(refusal('restroe', 'file:///t', 'out')).toContain('Did you mean restore?');
    expect(refusal()).toContain('There is no command');
  });

  it('is kept in mind where a source looks like one', () => {
    expect(parse('status', 'file:///t')).toMatchObject({ command: 'backup', lookalike: 'collection-status' });
    expect(parse('clenup', 'file:///t')).toMatchObject({ command: 'backup', lookalike: 'cleanup' });
    for (const source of ['/status', 'photos', 'of', '.'])
      expect(parse(source, 'file:///t')).toMatchObject({ command: 'backup', lookalike: undefined });
    expect(parse('full', 'status', 'file:///t')).toMatchObject({ command: 'full', lookalike: undefined });
  });

  it('needs the right number of arguments', () => {
    expect(refusal('full', 'src')).toContain('full needs 2 arguments, SOURCE URL; there are 1: src');
    expect(refusal('ls')).toContain('needs one argument, URL; there are none');
  });
});

describe('options', () => {
  it('may stand anywhere, with = or a blank before the value', () => {
    const expected = { command: 'full', operands: ['src', 'file:///t'], values: { volsize: 5, name: 'n' } };
    expect(parse('full', '--volsize', '5', 'src', '--name=n', 'file:///t')).toMatchObject(expected);
    expect(parse('--volsize=5', 'full', 'src', 'file:///t', '--name', 'n')).toMatchObject(expected);
    expect(parse('--name', 'n', '--volsize', '5', 'fu', 'src', 'file:///t')).toMatchObject(expected);
  });

  it('may be abbreviated while that means one option', () => {
    expect(parse('full', '--vol', '5', 'src', 'file:///t').values).toEqual({ volsize: 5 });
    expect(parse('full', '--no-enc', 'src', 'file:///t').values).toEqual({ 'no-encryption': true });
    expect(refusal('full', '--s3-use', 'src', 'file:///t')).toContain('ambiguous');
  });

  it('of duplicity keep their abbreviations whatever redup adds', () => {
    expect(parse('verify', '--compare', 'file:///t', 'out').values).toEqual({ 'compare-data': true });
  });

  it('are known by their names of 0.8 and of 3.x', () => {
    for (const name of ['--file-to-restore', '--path-to-restore', '-r']) {
      expect(parse('restore', name, 'a/b', 'file:///t', 'out').values).toEqual({ 'path-to-restore': 'a/b' });
    }
    for (const name of ['--do-not-restore-ownership', '--no-restore-ownership']) {
      expect(parse('restore', name, 'file:///t', 'out').values).toEqual({ 'no-restore-ownership': true });
    }
    for (const time of [['-t3D'], ['-t', '3D'], ['--time', '3D'], ['--restore-time=3D']]) {
      expect(parse('restore', ...time, 'file:///t', 'out').values).toEqual({ 'restore-time': '3D' });
    }
    expect(parse('full', '-v5', 'src', 'file:///t').values).toEqual({ verbosity: '5' });
  });

  it('of paths have ~ and variables expanded', () => {
    expect(parse('ls', '--archive-dir', '~/a', '--tempdir', '$BACKUPS/$NOT', 'file:///t').values).toEqual({
      'archive-dir': '/home/me/a',
      tempdir: '/mnt/b/$NOT',
    });
  });

  it('that take two values take them', () => {
    expect(parse('restore', '--rename', 'a', 'b', '--rename=c', 'd', 'file:///t', 'out').values.rename).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
  });

  it('that are repeated add up or replace one another', () => {
    const { values } = parse(
      'full',
      '--encrypt-key',
      'A',
      '--encrypt-key=B',
      '--volsize',
      '1',
      '--volsize',
      '2',
      '--gpg-options=--a  b',
      '--gpg-options',
      '--c',
      'src',
      'file:///t',
    );
    expect(values).toEqual({ 'encrypt-key': ['A', 'B'], volsize: 2, 'gpg-options': ['--a', 'b', '--c'] });
  });

  it('can be taken back by their opposites', () => {
    expect(parse('full', '--no-encryption', '--encryption', 'src', 'file:///t').values).toEqual({});
  });

  it('of the selection keep their order', () => {
    const { rules } = parse(
      'full',
      '--exclude',
      'a',
      '--include=b',
      '--exclude-device-files',
      '--exclude-filelist',
      'c',
      'src',
      'file:///t',
    );
    expect(rules.map(({ option, value }) => `${option} ${value}`)).toEqual([
      'exclude a',
      'include b',
      'exclude-device-files ',
      'exclude-filelist c',
    ]);
  });

  it('with values that begin with a dash are understood either way', () => {
    expect(parse('full', '--gpg-options', '--homedir=/x', 'src', 'file:///t').values).toEqual({
      'gpg-options': ['--homedir=/x'],
    });
    expect(parse('full', '--exclude=-x', '--exclude', '--', 'src', 'file:///t').rules).toHaveLength(2);
  });

  it('end at --', () => {
    expect(parse('full', '--', '--src', 'file:///t').operands).toEqual(['--src', 'file:///t']);
  });

  it('that are unknown are refused with the nearest known one', () => {
    expect(refusal('full', '--exlcude', 'a', 'src', 'file:///t')).toContain('Did you mean --exclude?');
    expect(refusal('full', '-x', 'src', 'file:///t')).toContain('Unknown option -x');
    expect(refusal('full', '--no-such-thing', 'src', 'file:///t')).toContain('Unknown option --no-such-thing');
  });

  it('are refused with bad values', () => {
    expect(refusal('full', '--volsize', 'big', 'src', 'file:///t')).toContain('needs a number');
    expect(refusal('full', '--num-retries', '1.5', 'src', 'file:///t')).toContain('whole number');
    expect(refusal('full', '--num-retries', '0', 'src', 'file:///t')).toContain('at least 1');
    expect(refusal('full', '--metadata-sync-mode', 'some', 'src', 'file:///t')).toContain('full, partial');
    expect(refusal('full', '--dry-run=yes', 'src', 'file:///t')).toContain('takes no value');
    expect(refusal('full', 'src', 'file:///t', '--volsize')).toContain('needs a value');
  });

  it('without effect here are accepted with a notice, those that would change the result refused', () => {
    expect(parse('full', '--ssh-options=-oX', '--par2-volumes', '2', 'src', 'file:///t').notices).toHaveLength(2);
    expect(parse('full', '--asynchronous-upload', 'src', 'file:///t').notices).toEqual([]);
    expect(refusal('full', '--use-gpgsm', 'src', 'file:///t')).toContain('PKCS#7');
    expect(refusal('replicate', 'file:///a', 'file:///b')).toContain('not supported');
  });
});

describe('help and version', () => {
  it('are shown for all commands and for each', () => {
    expect(textOf('--version')).toBe('redup 1.2.3\n');
    expect(textOf('-V')).toBe('redup 1.2.3\n');
    expect(textOf('--help')).toContain('collection-status');
    expect(textOf('help', 'verify')).toBe(textOf('verify', '--help'));
    expect(textOf('--help-verify')).toBe(textOf('verify', '-h'));
    for (const name of COMMAND_NAMES) expect(textOf(name, '--help')).toContain(`redup ${name}`);
  });

  it('name every supported option in the help of a command that it concerns', () => {
    for (const name of OPTION_NAMES) {
      const { hidden, status = 'supported', commands } = optionSpec(name);
      if (hidden === true || status !== 'supported') continue;
      expect(textOf(commands?.[0] ?? 'full', '--help')).toContain(`--${name}`);
    }
  });
});

describe('the table of options', () => {
  /** Taken from the help of release 3.2.1 and from CLI.md for 0.8. */
  const KNOWN_TO_DUPLICITY =
    'allow-source-mismatch archive-dir asynchronous-upload azure-blob-tier azure-max-block-size azure-max-connections azure-max-single-put-size b2-hide-files backend-retry-delay cf-backend check-remote compare-data compression concurrency config-dir copy-blocksize copy-links current-time do-not-restore-ownership dry-run encrypt-key encrypt-secret-keyring encrypt-sign-key encryption exclude exclude-device-files exclude-filelist exclude-filelist-stdin exclude-globbing-filelist exclude-if-present exclude-older-than exclude-other-filesystems exclude-regexp fail-on-volume file-changed file-prefix file-prefix-archive file-prefix-jsonstat file-prefix-manifest file-prefix-signature file-to-restore files-changed files-from filter-globbing filter-ignorecase filter-literal filter-regexp filter-strictcase force ftp-passive ftp-regular full-if-n-inc full-if-older-than gio gpg-binary gpg-options hidden-encrypt-key idr-fakeroot ignore-errors imap-full-address imap-mailbox include include-filelist include-filelist-stdin include-globbing-filelist include-regexp jsonstat log-fd log-file log-timestamp max-blocksize metadata-sync-mode mf-purge mp-segment-size name no-check-remote no-compression no-encryption no-files-changed no-print-statistics no-restore-ownership null-separator num-retries numeric-owner old-filenames par2-options par2-redundancy par2-volumes path-to-restore print-statistics progress progress-rate pydevd rename restore-ownership restore-time rsync-options s3-endpoint-url s3-european-buckets s3-kms-grant s3-kms-key-id s3-multipart-chunk-size s3-multipart-max-procs s3-multipart-max-timeout s3-region-name s3-unencrypted-connection s3-use-deep-archive s3-use-glacier s3-use-glacier-ir s3-use-ia s3-use-multiprocessing s3-use-new-style s3-use-onezone-ia s3-use-rrs s3-use-server-side-encryption s3-use-server-side-kms-encryption scp-command sftp-command short-filenames show-changes-in-set sign-key skip-if-no-change skip-volume ssh-askpass ssh-options ssl-cacert-file ssl-cacert-path ssl-no-check-certificate swift-storage-policy tempdir time time-separator timeout use-agent use-gpgsm verbosity volsize webdav-headers';

  it('has every option of both syntaxes', () => {
    expect(KNOWN_TO_DUPLICITY.split(' ').filter((name) => !LONG_NAMES.has(name))).toEqual([]);
  });

  it('marks as its own what duplicity does not have', () => {
    const known = new Set(KNOWN_TO_DUPLICITY.split(' '));
    expect(OPTION_NAMES.filter((name) => !known.has(name) && optionSpec(name).own !== true)).toEqual([]);
  });
});
