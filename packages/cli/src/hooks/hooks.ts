/**
 * Commands before and after a profile's run, through the shell. They get the results in their environment and no secret;
 * what they print goes into the log.
 */

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import type { Log } from '../output/log.js';

export interface HookRun {
  readonly name: 'pre' | 'post' | 'on-failure';
  readonly commands: string | readonly string[] | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Runs them one after the other, up to the first that fails. @returns what is wrong, or undefined */
export async function runHooks({ name, commands = [], env, log, signal }: HookRun): Promise<string | undefined> {
  for (const command of typeof commands === 'string' ? [commands] : commands) {
    log.info(`Hook ${name}: ${command}`);
    const problem = await runShell(command, { ...env, REDUP_HOOK: name }, log, signal);
    if (problem !== undefined) return `The hook ${name} failed (${problem}): ${command}`;
  }
  return undefined;
}

function runShell(command: string, env: NodeJS.ProcessEnv, log: Log, signal: AbortSignal): Promise<string | undefined> {
  const child = spawn('/bin/sh', ['-c', command], { env, stdio: ['ignore', 'pipe', 'pipe'], signal });
  for (const stream of [child.stdout, child.stderr]) tellLines(stream, log);
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message));
    child.on('close', (code, killer) => {
      if (code === 0) resolve(undefined);
      else resolve(code === null ? `ended by ${killer}` : `exit code ${code}`);
    });
  });
}

const LONGEST_LINE = 4096;

function tellLines(stream: Readable, log: Log): void {
  createInterface({ input: stream }).on('line', (line) => log.notice(line.slice(0, LONGEST_LINE)));
}
