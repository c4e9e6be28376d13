/**
 * `run PROFILE`: the pre hook, a backup, then what retention and clean-up say, the post hook; metrics and health check whatever
 * happens. A profile that fails ends with its own exit code; with `--all` the others run nevertheless.
 */

import { parseArguments } from '../arguments/parse.js';
import { UsageError } from '../arguments/usage-error.js';
import { RedupError } from '../engine.js';
import { exitCodeOf, OK } from '../exit-codes.js';
import { ping } from '../hooks/healthcheck.js';
import { runHooks } from '../hooks/hooks.js';
import { writeMetrics } from '../hooks/metrics.js';
import type { ProfileOutcome, ResultRecord } from '../json/results.js';
import { humanSeconds } from '../output/format.js';
import { maintenanceSteps, optionsOf, type Step } from '../profile/arguments.js';
import { findProfile, type LoadedConfig, loadConfig } from '../profile/config.js';
import { environmentOf, placeOf, resolveReference, withProcessEnvironment } from '../profile/environment.js';
import type { Profile } from '../profile/schema.js';
import { resolveSources } from '../profile/sources.js';
import { reasonOf } from '../reason.js';
import { VERSION } from '../version.js';
import { runBackup } from './backup.js';
import { describe, tellFailure } from './failure.js';
import { runCleanup, runPrune } from './removal.js';
import { clockOf, type Session } from './session.js';

/** As of a program that says no more than that it failed. */
const HOOK_FAILED = 1;

export async function runProfiles(session: Session): Promise<number> {
  const { env, log, signal } = session;
  const config = loadConfig(session.values.config, env);
  const names = namesOf(session, config);
  for (const name of names) findProfile(config, name);
  const outcomes: ProfileOutcome[] = [];
  for (const name of names) {
    signal.throwIfAborted();
    const run = new ProfileRun(session, config, name);
    outcomes.push(await run.execute());
  }
  signal.throwIfAborted();
  const exitCode = outcomes.find((outcome) => outcome.exitCode !== OK)?.exitCode ?? OK;
  log.json({ type: 'result', command: 'run', exitCode, profiles: outcomes });
  return exitCode;
}

/** Which profiles are meant. @throws UsageError */
export function namesOf({ invocation, values }: Session, { profiles, file }: LoadedConfig): string[] {
  const [name] = invocation.operands;
  if (values.all === true && name === undefined) return [...profiles.keys()];
  if (values.all !== true && name !== undefined) return [name];
  const hint = `${file} has ${[...profiles.keys()].join(', ')}; --all means all of them.`;
  throw new UsageError(name === undefined ? 'Which profile?' : 'Either a profile or --all', hint);
}

type StepResult = Extract<ResultRecord, { backup: unknown } | { deleted: unknown }>;

class ProfileRun {
  readonly #session: Session;
  readonly #config: LoadedConfig;
  readonly #name: string;
  readonly #profile: Profile;
  readonly #steps: ProfileOutcome['steps'] = [];
  #backup: Extract<ResultRecord, { backup: unknown }> | undefined;
  #source = '';

  constructor(session: Session, config: LoadedConfig, name: string) {
    this.#session = session;
    this.#config = config;
    this.#name = name;
    this.#profile = findProfile(config, name);
  }

  async execute(): Promise<ProfileOutcome> {
    const { log, env } = this.#session;
    const began = clockOf(this.#session.values).now();
    let publicEnv: NodeJS.ProcessEnv = {};
    let url: string | undefined;
    let failure: { readonly error: unknown; readonly exitCode: number } | undefined;
    log.notice(`Profile ${this.#name}`);
    try {
      const found = environmentOf(this.#profile, this.#config, env);
      publicEnv = found.publicEnv;
      url = this.#healthcheck(found.env);
      await ping(url, 'start', this.#name, log);
      await this.#hook('pre', publicEnv);
      await withProcessEnvironment(found.env, () => this.#work(found.env));
      await this.#hook('post', this.#results(publicEnv, OK));
    } catch (error) {
      failure = { error, exitCode: error instanceof HookError ? HOOK_FAILED : exitCodeOf(error) };
    }
    const exitCode = failure?.exitCode ?? OK;
    if (failure !== undefined) await this.#failed(failure.error, exitCode, publicEnv);
    const seconds = clockOf(this.#session.values).now() - began;
    this.#writeMetrics(exitCode, seconds);
    const summary =
      failure === undefined
        ? `${this.#name}: done in ${humanSeconds(Math.round(seconds))}`
        : describe(failure.error).message;
    await ping(url, failure === undefined ? 'success' : 'fail', summary, log);
    const error = failure === undefined ? {} : errorFields(failure.error);
    return { profile: this.#name, exitCode, seconds, steps: this.#steps, ...error };
  }

  /** The backup and what follows it. */
  async #work(env: NodeJS.ProcessEnv): Promise<void> {
    const { log, values } = this.#session;
    const options = [
      ...optionsOf(this.#profile, this.#config, env),
      ...(values['dry-run'] === true ? ['--dry-run'] : []),
    ];
    const { root, rules, unmatched } = resolveSources(this.#profile, env);
    this.#source = root;
    for (const pattern of unmatched) log.warning(`Nothing matches ${pattern} now`);
    const { 'full-every': every, target } = this.#profile;
    const full = every === undefined ? [] : [`--full-if-older-than=${every}`];
    await this.#step({ command: 'backup', argv: ['backup', ...options, ...full, ...rules, root, target] }, env);
    for (const step of maintenanceSteps(this.#profile, options)) await this.#step(step, env);
  }

  async #step({ command, argv }: Step, env: NodeJS.ProcessEnv): Promise<void> {
    const { log } = this.#session;
    log.json({ type: 'step', profile: this.#name, command, state: 'begin' });
    const parsed = parseArguments(argv, env, VERSION);
    if (parsed.kind !== 'run') throw new UsageError(`The profile ${this.#name} asks for no command`);
    const { invocation } = parsed;
    for (const notice of invocation.notices) log.notice(notice);
    const runner = command === 'backup' ? runBackup : command === 'cleanup' ? runCleanup : runPrune;
    let result: StepResult | undefined;
    const report = (record: ResultRecord): void => {
      if ('backup' in record) this.#backup = record;
      if ('backup' in record || 'deleted' in record) result = record;
    };
    try {
      const exitCode = await runner({ ...this.#session, invocation, values: invocation.values, env, report });
      this.#steps.push({ command, exitCode });
      log.json({
        type: 'step',
        profile: this.#name,
        command,
        state: 'end',
        exitCode,
        ...(result === undefined ? {} : { result }),
      });
    } catch (error) {
      const exitCode = exitCodeOf(error);
      this.#steps.push({ command, exitCode });
      log.json({ type: 'step', profile: this.#name, command, state: 'end', exitCode });
      throw error;
    }
  }

  async #hook(name: 'pre' | 'post', env: NodeJS.ProcessEnv): Promise<void> {
    const { log, signal, values } = this.#session;
    if (values['dry-run'] === true) return;
    const common = { ...env, REDUP_PROFILE: this.#name, REDUP_TARGET: this.#profile.target };
    const problem = await runHooks({ name, commands: this.#profile.hooks?.[name], env: common, log, signal });
    if (problem !== undefined) throw new HookError(problem);
  }

  /** Says what went wrong, and lets the on-failure hook know. After a signal nothing more is begun. */
  async #failed(error: unknown, exitCode: number, publicEnv: NodeJS.ProcessEnv): Promise<void> {
    const { log, signal, values } = this.#session;
    if (signal.aborted) throw error;
    const described = describe(error);
    tellFailure(log, error, { ...described, message: `${this.#name}: ${described.message}` }, exitCode);
    if (values['dry-run'] === true) return;
    const results = this.#results(publicEnv, exitCode);
    const env = {
      ...results,
      REDUP_PROFILE: this.#name,
      REDUP_TARGET: this.#profile.target,
      REDUP_ERROR: described.message,
      REDUP_ERROR_CODE: described.code,
    };
    const problem = await runHooks({
      name: 'on-failure',
      commands: this.#profile.hooks?.['on-failure'],
      env,
      log,
      signal,
    });
    if (problem !== undefined) log.warning(problem);
  }

  #results(publicEnv: NodeJS.ProcessEnv, exitCode: number): NodeJS.ProcessEnv {
    const figures = this.#backup;
    const s = figures?.statistics;
    const values = {
      REDUP_EXIT_CODE: exitCode,
      REDUP_SOURCE: this.#source,
      REDUP_BACKUP_TYPE: figures?.backup,
      REDUP_BACKUP_TIME: figures?.time,
      REDUP_VOLUMES: figures?.volumes,
      REDUP_STORED_BYTES: s?.totalDestinationSizeChange,
      REDUP_SOURCE_FILES: s?.sourceFiles,
      REDUP_NEW_FILES: s?.newFiles,
      REDUP_CHANGED_FILES: s?.changedFiles,
      REDUP_DELETED_FILES: s?.deletedFiles,
      REDUP_ERRORS: s?.errors,
    };
    const told = Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, `${value}`]]));
    return { ...publicEnv, ...Object.fromEntries(told) };
  }

  #healthcheck(env: NodeJS.ProcessEnv): string | undefined {
    const url = this.#profile.healthcheck?.url;
    if (url === undefined || this.#session.values['dry-run'] === true) return undefined;
    const text =
      typeof url === 'string' ? url : resolveReference(url, env, (path) => placeOf(path, this.#config.folder, env));
    if (URL.canParse(text)) return text;
    throw new RedupError('BAD_OPTION', `The health check of ${this.#name} is no URL`);
  }

  #writeMetrics(exitCode: number, seconds: number): void {
    const { log, env, values } = this.#session;
    const { metrics } = this.#profile;
    if (metrics === undefined || values['dry-run'] === true) return;
    const directory = placeOf(metrics.directory, this.#config.folder, env);
    const figures = this.#backup;
    const backup =
      figures === undefined
        ? {}
        : { backup: { type: figures.backup, volumes: figures.volumes, statistics: figures.statistics } };
    try {
      writeMetrics(directory, { profile: this.#name, endTime: clockOf(values).now(), seconds, exitCode, ...backup });
    } catch (error) {
      log.warning(`The metrics in ${directory} could not be written: ${reasonOf(error)}`);
    }
  }
}

/** A hook that failed; its own output said why. */
class HookError extends Error {
  readonly code = 'HOOK';
  readonly hint = 'Its output stands above.';
}

function errorFields(error: unknown): Pick<ProfileOutcome, 'code' | 'message' | 'hint'> {
  const { code, message, hint } = describe(error);
  return { code, message, ...(hint === undefined ? {} : { hint }) };
}
