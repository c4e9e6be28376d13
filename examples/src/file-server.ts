/**
 * Serves single files out of a backup, as they were at any time: `GET /files/docs/letter.txt?time=2026-11-17`.
 *
 *   PASSPHRASE=… node file-server.js TARGET-URL [PORT]
 */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { RedupError, Repository, Secret } from '@redup/core';
import express from 'express';

const [target = '', port = '8080'] = process.argv.slice(2);
const passphrase = Secret.fromText(process.env['PASSPHRASE'] ?? '');
const repository = Repository.open(target, { encryption: { open: { passphrase } } });

/** The time of day doesn't matter here: the last backup before that day ended. */
function lastTuesday(): Date {
  const day = new Date();
  day.setDate(day.getDate() - (((day.getDay() + 4) % 7) + 1));
  day.setHours(23, 59, 59, 0);
  return day;
}

const app = express();
app.get('/files/*path', async (request, response) => {
  const { time } = request.query;
  const path = String(request.params['path']).split(',').join('/');
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  try {
    const content = repository.open(path, {
      time: typeof time === 'string' ? time : lastTuesday(),
      signal: gone.signal,
    });
    // What can be known to be wrong is known before the first byte, while there is still a status to set.
    await once(content, 'readable');
    response.attachment(path.split('/').at(-1));
    await pipeline(content, response);
  } catch (error) {
    if (response.headersSent) return void response.destroy();
    const code = error instanceof RedupError ? error.code : 'INTERNAL';
    const isMissing = ['PATH_NOT_FOUND', 'NOT_A_FILE', 'NO_BACKUP'].includes(code);
    response.status(isMissing ? 404 : code === 'BAD_TIME' ? 400 : 500).json({ code });
  }
});
const server = app.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`listening on ${(server.address() as AddressInfo).port}\n`);
});
process.once('SIGTERM', () => server.close(() => void repository.close()));
