/** Programs run to their end, with arguments that are byte strings and everything they said. */

import { spawn } from 'node:child_process';

export interface RunOptions {
  /** The whole environment; nothing is inherited. Default: `cleanEnv()`. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: Uint8Array | string;
  /** The program is killed after that time, and `run` rejects. Default: two minutes. */
  readonly timeoutMs?: number;
  /** The program is killed after that time, as a part of the test: `run` resolves with code 137. */
  readonly killAfterMs?: number;
}

export interface RunResult {
  /** Exit code; 128 + n after signal n, as a shell says it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
}

/**
 * Runs a program. Arguments are byte strings: a char above 0x7f stands for that byte, so that names which aren't
 * UTF-8 can be given. Rejects when the program can't be started or takes too long, never for its exit code.
 */
export async function run(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...rest] = withByteArguments([command, ...args]);
  const timeoutMs = options.timeoutMs ?? 120_000;
  const child = spawn(program, rest, { cwd: options.cwd, env: options.env ?? cleanEnv() });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A program that ends without reading its input closes the pipe; that is no fault of the run.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${command} took longer than ${timeoutMs} ms\n${Buffer.concat(stderr).toString()}`));
    }, timeoutMs);
    const { killAfterMs } = options;
    const killer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    child.on('error', (error) => {
      clearTimeout(killer);
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(killer);
      clearTimeout(timer);
      const stdoutBytes = Buffer.concat(stdout);
      resolve({
        code: code ?? 128 + (SIGNALS[signal ?? 'SIGKILL'] ?? 0),
        stdout: stdoutBytes.toString(),
        stderr: Buffer.concat(stderr).toString(),
        stdoutBytes,
      });
    });
  });
}

/** Like `run`, but rejects with everything the program said when its exit code isn't 0. */
export async function runOk(
  command: string,
  args: readonly string[] = [],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(command, args, options);
  if (result.code !== 0) {
    throw new Error(`${command} ended with ${result.code}\n${result.stdout}\n${result.stderr}`);
  }
  return result;
}

/** A small, same environment on every machine: UTF-8, UTC, English. */
export function cleanEnv(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    HOME: process.env['HOME'] ?? '/',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    ...extra,
  };
}

const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** Node encodes arguments as UTF-8; where bytes have to get through, bash spells them from ASCII escapes. */
function withByteArguments(command: readonly [string, ...string[]]): [string, ...string[]] {
  const [program, ...args] = command;
  if (!args.some((arg) => /[^\0-\x7f]/.test(arg))) return [program, ...args];
  return ['bash', '-c', `exec ${command.map(ansiQuote).join(' ')}`];
}

function ansiQuote(arg: string): string {
  const escaped = arg.replace(/[^\w/.:=+,@-]/g, (char) => {
    if (char > '\xff') throw new RangeError(`not a byte string: ${JSON.stringify(arg)}`);
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
  return `$'${escaped}'`;
}
