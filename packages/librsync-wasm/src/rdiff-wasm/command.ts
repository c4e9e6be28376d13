/**
 * What `rdiff-wasm` does with its arguments. Same actions, options and exit codes as rdiff 2.3: 100 for files that can't be read or
 * written, 101 for arguments, 103 for input that ends early, 104 for a wrong magic number, 106 for damage, 108 for parameters.
 */

import { fstatSync, statSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { RsyncError, type RsyncErrorCode, type SignatureFormat, type SignatureOptions } from '../index.js';
import { deltaFile, patchFile, signFile, type Traffic } from './files.js';

const USAGE = `Usage: rdiff-wasm [OPTIONS] signature [BASIS [SIGNATURE]]
                  [OPTIONS] delta SIGNATURE [NEWFILE [DELTA]]
                  [OPTIONS] patch BASIS [DELTA [NEWFILE]]

Options:
  -v, --verbose             Name the files of each action
  -V, --version             Show program version
  -?, --help                Show this help message
  -s, --statistics          Show performance statistics
  -f, --force               Force overwriting existing files
Signature generation options:
  -H, --hash=ALG            Hash algorithm: blake2 (default), md4
  -R, --rollsum=ALG         Rollsum algorithm: rabinkarp (default), rollsum
  -b, --block-size=BYTES    Signature block size, 0 (default) for recommended
  -S, --sum-size=BYTES      Signature strength, 0 (default) for max, -1 for min
IO options, accepted and without effect:
  -I, --input-size=BYTES    Input buffer size
  -O, --output-size=BYTES   Output buffer size`;

const VERSION = 'rdiff-wasm (librsync-wasm 0.1.0)';

const OPTIONS = {
  verbose: { type: 'boolean', short: 'v' },
  version: { type: 'boolean', short: 'V' },
  help: { type: 'boolean', short: '?' },
  statistics: { type: 'boolean', short: 's' },
  force: { type: 'boolean', short: 'f' },
  hash: { type: 'string', short: 'H', default: 'blake2' },
  rollsum: { type: 'string', short: 'R', default: 'rabinkarp' },
  'block-size': { type: 'string', short: 'b', default: '0' },
  'sum-size': { type: 'string', short: 'S', default: '0' },
  'input-size': { type: 'string', short: 'I' },
  'output-size': { type: 'string', short: 'O' },
} as const;

const EXIT_IO = 100;
const EXIT_SYNTAX = 101;
const EXIT_OF_CODE: Readonly<Record<RsyncErrorCode, number>> = {
  INVALID_OPTION: 108,
  INVALID_STATE: 107,
  SIGNATURE_MAGIC: 104,
  SIGNATURE_INVALID: 106,
  SIGNATURE_TRUNCATED: 103,
  SIGNATURE_TOO_LARGE: 102,
  DELTA_MAGIC: 104,
  DELTA_INVALID: 106,
  DELTA_OUT_OF_BASIS: 103,
  DELTA_TRUNCATED: 103,
  OUTPUT_TOO_LARGE: 106,
  BASIS_SHORT: 103,
  OUT_OF_MEMORY: 102,
};

type Options = ReturnType<typeof parse>['values'];

/** Runs one command line and returns its exit code. `print` gets lines for standard output, `say` those for standard error. */
export function run(args: readonly string[], print: (line: string) => void, say: (line: string) => void): number {
  try {
    const { values, positionals } = parse(args);
    if (values.help) print(USAGE);
    else if (values.version) print(VERSION);
    else act(positionals, values, say);
    return 0;
  } catch (error) {
    if (error instanceof RsyncError) {
      say(`rdiff-wasm: ${error.message}\n${error.hint}`);
      return EXIT_OF_CODE[error.code];
    }
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    const syntax = error instanceof SyntaxError || code.startsWith('ERR_PARSE_ARGS');
    say(`rdiff-wasm: ${error instanceof Error ? error.message : String(error)}`);
    if (syntax) say('Try `rdiff-wasm --help` for more information.');
    return syntax ? EXIT_SYNTAX : EXIT_IO;
  }
}

function parse(args: readonly string[]) {
  // "-S -1" is rdiff's way to say it, and no option 1.
  const joined = args.flatMap((arg, i) => {
    if (/^-\d+$/.test(arg) && VALUE_FOLLOWS.test(args[i - 1] ?? '')) return [];
    return VALUE_FOLLOWS.test(arg) && /^-\d+$/.test(args[i + 1] ?? '') ? [longOf(arg, args[i + 1] ?? '')] : [arg];
  });
  return parseArgs({ args: joined, options: OPTIONS, allowPositionals: true, strict: true });
}

const VALUE_FOLLOWS = /^(-[bSIO]|--(block|sum|input|output)-size)$/;
const LONG = new Map([
  ['-b', '--block-size'],
  ['-S', '--sum-size'],
  ['-I', '--input-size'],
  ['-O', '--output-size'],
]);

function longOf(option: string, value: string): string {
  return `${LONG.get(option) ?? option}=${value}`;
}

function act([action, ...files]: readonly string[], options: Options, say: (line: string) => void): void {
  const force = options.force ?? false;
  const [first, second, third] = files;
  let traffic: Traffic;
  if (options.verbose) say(`rdiff-wasm: ${action ?? ''} ${files.join(' ')}`);
  switch (action) {
    case 'signature':
      if (files.length > 2) throw new SyntaxError(`Too many arguments: ${files.slice(2).join(' ')}`);
      traffic = signFile(first ?? '-', second ?? '-', signatureOptions(first ?? '-', options), force);
      break;
    case 'delta':
      if (first === undefined)
        throw new SyntaxError('Usage for delta: rdiff-wasm [OPTIONS] delta SIGNATURE [NEWFILE [DELTA]]');
      if (files.length > 3) throw new SyntaxError(`Too many arguments: ${files.slice(3).join(' ')}`);
      traffic = deltaFile(first, second ?? '-', third ?? '-', force);
      break;
    case 'patch':
      if (first === undefined)
        throw new SyntaxError('Usage for patch: rdiff-wasm [OPTIONS] patch BASIS [DELTA [NEWFILE]]');
      if (files.length > 3) throw new SyntaxError(`Too many arguments: ${files.slice(3).join(' ')}`);
      traffic = patchFile(first, second ?? '-', third ?? '-', force);
      break;
    default:
      throw new SyntaxError('You must specify an action: `signature`, `delta`, or `patch`.');
  }
  if (options.statistics)
    say(`rdiff-wasm: ${action} statistics: ${traffic.bytesIn} bytes in, ${traffic.bytesOut} bytes out`);
}

function signatureOptions(basis: string, options: Options): SignatureOptions {
  const blockLength = numberOf('block-size', options['block-size']);
  const strongLength = numberOf('sum-size', options['sum-size']);
  return {
    format: formatOf(options.rollsum, options.hash),
    blockLength: blockLength === 0 ? undefined : blockLength,
    strongLength: strongLength === 0 ? undefined : strongLength === -1 ? 'shortest' : strongLength,
    basisLength: lengthOf(basis),
  };
}

function formatOf(rollsum: string, hash: string): SignatureFormat {
  if (rollsum !== 'rollsum' && rollsum !== 'rabinkarp')
    throw new SyntaxError(`Unknown rollsum algorithm '${rollsum}'.`);
  if (hash !== 'md4' && hash !== 'blake2') throw new SyntaxError(`Unknown hash algorithm '${hash}'.`);
  return `${rollsum}-${hash}`;
}

function numberOf(name: string, text: string): number {
  if (!/^-?\d+$/.test(text)) throw new SyntaxError(`--${name} takes a number of bytes, not '${text}'.`);
  return Number(text);
}

/** The length of a regular file; pipes have none that is known. */
function lengthOf(path: string): number | undefined {
  const stat = path === '-' ? fstatSync(0) : statSync(path);
  return stat.isFile() ? stat.size : undefined;
}
