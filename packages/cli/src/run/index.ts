/** Runs one command: sets up what it talks to, hands over, and turns whatever goes wrong into one clear message. */

import { arch, platform, release } from 'node:os';
import type { Invocation } from '../arguments/parse.js';
import { UsageError } from '../arguments/usage-error.js';
import { type CommandName, commandSpec } from '../commands.js';
import { exitCodeOf } from '../exit-codes.js';
import type { ResultRecord } from '../json/results.js';
import { GENERIC } from '../output/codes.js';
import { eventListener } from '../output/events.js';
import { type Level, parseLevel } from '../output/levels.js';
import { Log, type Sink } from '../output/log.js';
import { ProgressLine } from '../output/progress.js';
import { FdSink, logFd, logFile } from '../output/sinks.js';
import { VERSION } from '../version.js';
import { runBackup } from './backup.js';
import { runCheck } from './check.js';
import { describe, stopped, tellFailure } from './failure.js';
import { Interruption } from './interruption.js';
import { runList, runRestore, runVerify } from './read.js';
import { runCleanup, runPrune } from './removal.js';
import type { Session } from './session.js';
import { runStatus } from './status.js';

type Runner = (session: Session) => Promise<number>;

const RUNNERS: Partial<Record<CommandName, Runner>> = {
  backup: runBackup,
  full: runBackup,
  incremental: runBackup,
  restore: runRestore,
  verify: runVerify,
  check: runCheck,
  // What only profiles need (YAML, schemas) is loaded with them.
  run: async (session) => (await import('./profiles.js')).runProfiles(session),
  'list-current-files': runList,
  'collection-status': runStatus,
  cleanup: runCleanup,
  'remove-older-than': runPrune,
  'remove-all-but-n-full': runPrune,
  'remove-all-inc-of-but-n-full': runPrune,
};

const DEFAULT_REPORT_S = 3;

/** @returns the exit code */
export async function run(invocation: Invocation, argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const { values, command } = invocation;
  const verbosity = parseLevel(values.verbosity ?? 'notice');
  const out = new FdSink(1);
  const err = new FdSink(2);
  let line: ProgressLine | undefined;
  const log = new Log({
    verbosity,
    timestamps: values['log-timestamp'] === true,
    json: values.json === true,
    colours: env['NO_COLOR'] === undefined || env['NO_COLOR'] === '',
    out,
    err,
    records: recordSinks(invocation),
    beforeWrite: () => line?.clear(),
  });
  const interruption = new Interruption((signal) =>
    log.warning(`Stopping because of ${signal}; a second one stops at once`),
  );
  if (showsProgress(invocation, verbosity, err)) {
    const verb = ['restore', 'verify', 'check'].includes(command) ? 'read' : 'stored';
    line = new ProgressLine({
      terminal: err,
      // A terminal that does not know its size says 0.
      columns: () => process.stderr.columns || 80,
      now: () => performance.now(),
      verb,
    });
  }
  try {
    introduce(log, invocation, argv);
    const runner = RUNNERS[command];
    if (runner === undefined) throw new UsageError(`${command} is not there yet`);
    const onEvent = eventListener({
      log,
      line,
      reportEveryMs: values.progress === true ? (values['progress-rate'] ?? DEFAULT_REPORT_S) * 1000 : undefined,
      now: () => performance.now(),
      ...sourceOf(invocation),
      restored: values['path-to-restore'] ?? '',
    });
    const outputIsBroken = (): boolean => out.isBroken;
    const report = (result: ResultRecord): void => log.json(result);
    const { signal } = interruption;
    return await runner({ invocation, values, env, log, signal, onEvent, report, outputIsBroken });
  } catch (error) {
    line?.stop();
    return fail(log, error, interruption, invocation);
  } finally {
    line?.stop();
    interruption.dispose();
    log.flush();
  }
}

/** What is walked: the source of a backup, the folder that a backup is verified against. */
function sourceOf({ command, operands }: Invocation): { source?: string } {
  const { operands: kinds } = commandSpec(command);
  const index = kinds.findIndex((kind) => kind === 'source' || kind === 'target');
  const source = operands[index];
  return source === undefined ? {} : { source };
}

function recordSinks({ values }: Invocation): Sink[] {
  const { 'log-fd': fd, 'log-file': file } = values;
  return [...(fd === undefined ? [] : [logFd(fd)]), ...(file === undefined ? [] : [logFile(file)])];
}

function showsProgress({ values, command }: Invocation, verbosity: Level, err: Sink): boolean {
  if (values.json === true || values['no-progress'] === true || !err.isTerminal) return false;
  return (
    verbosity !== 'error' && verbosity !== 'warning' && !['list-current-files', 'collection-status'].includes(command)
  );
}

function introduce(log: Log, { notices, command }: Invocation, argv: readonly string[]): void {
  log.json({ type: 'start', schema: 1, version: VERSION, command });
  const rule = '='.repeat(80);
  const shown = argv.map((arg) => arg.replace(/^([\w+-]*=?[\w+]+:\/\/)[^/@]*@/, '$1…@')).join(' ');
  const machine = `Node.js ${process.version} on ${platform()} ${release()} ${arch()}`;
  for (const text of [rule, `redup ${VERSION}`, `Args: ${shown}`, machine, rule]) log.info(text);
  for (const notice of notices) {
    log.notice(notice);
    log.json({ type: 'notice', message: notice });
  }
}

function fail(log: Log, error: unknown, interruption: Interruption, { command, lookalike }: Invocation): number {
  const exitCode = interruption.exitCode ?? exitCodeOf(error, command);
  const plain = interruption.exitCode === undefined ? describe(error) : stopped(interruption.reason);
  const isMeant = plain.code === 'SOURCE_MISSING' && lookalike !== undefined;
  const meant = `Did you mean the command ${lookalike}? A word that is no command is taken for the folder to back up.`;
  const described = isMeant ? { ...plain, hint: `${meant} ${plain.hint ?? ''}` } : plain;
  tellFailure(log, error, described, interruption.exitCode === undefined ? exitCode : GENERIC);
  log.json({ type: 'error', command, exitCode, ...described });
  return exitCode;
}
