/**
 * Backs a database dump up while it is made: no dump on disk, a delta of it in the archive. A dump that fails is not stored.
 *
 *   node database-dump.js TARGET-URL COMMAND [ARGUMENT…]      such as: … pg_dump --dbname shop
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RedupError, Repository } from '@redup/core';

const [target = '', command = '', ...args] = process.argv.slice(2);
const repository = Repository.open(target);
const failed = new AbortController();

/** What the command writes; it is started when the backup asks for the first piece. */
async function* dump(): AsyncGenerator<Uint8Array> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'close');
  try {
    yield* child.stdout;
    const [code] = await ended;
    // Half a dump is worse than yesterday's: without this it would be stored and counted as an error.
    if (code !== 0) failed.abort(new Error(`${command} ended with ${code}`));
  } finally {
    child.kill();
  }
}

try {
  const backup = repository.backup({
    source: [{ path: 'shop.sql', content: dump }],
    sourceName: 'postgres:shop',
    signal: failed.signal,
  });
  for await (const event of backup) {
    if (event.type === 'warning') process.stderr.write(`${event.message}\n`);
  }
  const { type, statistics } = await backup;
  process.stdout.write(`${type}: ${statistics.sourceFileSize} bytes dumped, ${statistics.rawDeltaSize} stored\n`);
} catch (error) {
  if (!(error instanceof RedupError)) throw error;
  const reason = failed.signal.aborted ? failed.signal.reason : error;
  process.stderr.write(`No backup was made: ${reason.message}\n`);
  process.exitCode = 1;
} finally {
  await repository.close();
}
