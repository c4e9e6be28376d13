/**
 * Tells a monitoring service that a run began, went well or failed: `URL/start`, `URL`, `URL/fail`, the convention of
 * healthchecks.io and of what speaks it. A service that can't be reached is a warning and never the end of a backup.
 */

import type { Log } from '../output/log.js';
import { reasonOf } from '../reason.js';

const TIMEOUT_MS = 10_000;
const ATTEMPTS = 2;

export type Ping = 'start' | 'success' | 'fail';

export async function ping(url: string | undefined, state: Ping, text: string, log: Log): Promise<void> {
  if (url === undefined) return;
  const place = new URL(url);
  if (state !== 'success') place.pathname = `${place.pathname.replace(/\/$/, '')}/${state}`;
  let problem = '';
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      const answer = await fetch(place, { method: 'POST', body: text, signal: AbortSignal.timeout(TIMEOUT_MS) });
      await answer.body?.cancel();
      if (answer.ok) return;
      problem = `status ${answer.status}`;
    } catch (error) {
      problem = reasonOf(error instanceof Error && error.cause !== undefined ? error.cause : error);
    }
  }
  // The path may be all that protects it.
  log.warning(`The health check at ${place.host} was not told of ${state}: ${problem}`);
}
