/** The worker of `progress-main.ts`: runs the backup, and passes on what can be cloned. */

import { parentPort, workerData } from 'node:worker_threads';
import { RedupError, Repository } from '@redup/core';

export interface Job {
  readonly source: string;
  readonly target: string;
}

export type FromWorker =
  | { readonly type: 'progress'; readonly files: number; readonly bytes: number }
  | { readonly type: 'done'; readonly files: number; readonly errors: number }
  | { readonly type: 'failed'; readonly code: string; readonly message: string; readonly hint: string | undefined };

const { source, target }: Job = workerData;
const cancel = new AbortController();
parentPort?.once('message', () => cancel.abort());
const tell = (message: FromWorker) => parentPort?.postMessage(message);

const repository = Repository.open(target);
try {
  const backup = repository.backup({ source, signal: cancel.signal });
  for await (const event of backup) {
    if (event.type === 'progress') tell({ type: 'progress', files: event.files, bytes: event.bytes });
  }
  const { statistics } = await backup;
  tell({ type: 'done', files: statistics.sourceFiles, errors: statistics.errors });
} catch (error) {
  const { code, message, hint } = error instanceof RedupError ? error : new RedupError('INTERNAL', String(error));
  tell({ type: 'failed', code, message, hint });
} finally {
  await repository.close();
  // Otherwise the port would keep the worker alive.
  parentPort?.close();
}
