/**
 * A web service that backs its own data up every night, tells how the last backup went, and leaves a whole backup or none when it
 * is stopped in the middle of one.
 *
 *   PASSPHRASE=… node nightly-service.js DATA-FOLDER TARGET-URL [PORT]
 */

import type { AddressInfo } from 'node:net';
import { type BackupResult, RedupError, Repository, Secret } from '@redup/core';
import express from 'express';

const [data = './data', target = 'file:///var/backups/service', port = '8080'] = process.argv.slice(2);
const passphrase = Secret.fromText(process.env['PASSPHRASE'] ?? '');
const repository = Repository.open(target, { encryption: { seal: { passphrase }, open: { passphrase } } });
const stop = new AbortController();

let last: { readonly finished: Date; readonly result?: BackupResult; readonly problem?: string } | undefined;
let running: Promise<void> | undefined;

async function backUp(): Promise<void> {
  try {
    const result = await repository.backup({ source: data, fullIfOlderThan: 30 * 86_400, signal: stop.signal });
    const plan = await repository.planPrune({ rule: { remove: 'all-but-full', count: 6 } });
    await repository.prune(plan);
    last = { finished: new Date(), result };
  } catch (error) {
    const problem = error instanceof RedupError ? `${error.code}: ${error.message}` : String(error);
    last = { ...last, finished: new Date(), problem };
  }
}

/** One at a time: a second request waits for the backup that runs. */
function backUpOnce(): Promise<void> {
  running ??= backUp().finally(() => {
    running = undefined;
  });
  return running;
}

function atHalfPastTwo(): void {
  const next = new Date();
  next.setHours(26, 30, 0, 0);
  const inMs = (next.getTime() - Date.now()) % 86_400_000;
  setTimeout(() => void backUpOnce().then(atHalfPastTwo), inMs).unref();
}

const app = express();
app.get('/', (_request, response) => void response.send('hello'));
app.get('/health/backup', (_request, response) => {
  const isFine = last?.problem === undefined && last?.result?.statistics.errors === 0;
  response.status(isFine ? 200 : 503).json({ running: running !== undefined, ...last });
});
app.post('/backups', async (_request, response) => {
  await backUpOnce();
  response.status(last?.problem === undefined ? 201 : 500).json(last);
});
const server = app.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});

process.once('SIGTERM', async () => {
  stop.abort();
  server.close();
  await running;
  await repository.close();
});
atHalfPastTwo();
