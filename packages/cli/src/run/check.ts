/** `check`: findings as they are made, then what was looked at and what was not. */

import { UsageError } from '../arguments/usage-error.js';
import type { CheckResult } from '../engine.js';
import { DIFFERENCES, OK } from '../exit-codes.js';
import { jsonFinding } from '../output/events.js';
import { grouped, humanBytes } from '../output/format.js';
import { type Session, withRepository } from './session.js';
import { defined } from './target.js';

export async function runCheck(session: Session): Promise<number> {
  const { values, log, signal } = session;
  const [url = ''] = session.invocation.operands;
  const readPercent = percentOf(values['read-data']);
  const repair = values.repair === true && values['dry-run'] !== true;
  return withRepository(session, { url, purpose: repair ? 'repair' : 'read' }, async (repository) => {
    const result = await repository.check({ signal, repair, ...defined({ readPercent, seed: values.seed }) });
    for (const line of lookedAt(result)) log.notice(line);
    const exitCode = result.damages > 0 ? DIFFERENCES : OK;
    if (exitCode === OK && result.repairs.length > 0) log.notice('What was found is repaired.');
    else if (exitCode === OK) log.notice('Nothing is wrong with what was looked at.');
    else log.warning(`${grouped(result.damages)} finding(s) need something done: see above`);
    const findings = result.findings.map(jsonFinding);
    log.json({ type: 'result', command: 'check', exitCode, ...result, findings });
    return exitCode;
  });
}

/** `10%`, `10` or `0.5`. @throws UsageError */
function percentOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,3}(?:\.\d+)?)%?$/.exec(text);
  const percent = Number(match?.[1]);
  if (percent > 0 && percent <= 100) return percent;
  throw new UsageError(
    `--read-data can't be ${JSON.stringify(text)}`,
    'Give a part such as 10%, above 0 and up to 100%.',
  );
}

function lookedAt({ chains, sets, volumes, bytes, read }: CheckResult): string[] {
  const there = `Looked at ${grouped(sets)} backup(s) in ${grouped(chains)} chain(s): ${grouped(volumes)} volume(s), ${humanBytes(bytes)}`;
  if (read === undefined) return [`${there}, by their names, sizes and manifests; no data was read (use --read-data)`];
  const versions = `${grouped(read.versions)} version(s) of files put together, ${grouped(read.signatures)} signature file(s) proven`;
  const part = read.percent < 100 ? ` (--read-data=${read.percent}% --seed ${read.seed})` : '';
  return [there, `Read back ${grouped(read.volumes)} volume(s), ${humanBytes(read.bytes)}${part}: ${versions}`];
}
