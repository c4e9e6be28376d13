/**
 * A progress bar beside a backup in a worker thread, as a desktop program has it: the window's thread only draws, and may cancel.
 *
 *   node progress-main.js FOLDER TARGET-URL [CANCEL-AFTER-MS]
 */

import { Worker } from 'node:worker_threads';
import type { FromWorker, Job } from './progress-worker.js';

const [source = '', target = '', cancelAfter] = process.argv.slice(2);
const job: Job = { source, target };
const worker = new Worker(new URL('./progress-worker.js', import.meta.url), { workerData: job });
if (cancelAfter !== undefined) setTimeout(() => worker.postMessage('cancel'), Number(cancelAfter));

worker.on('message', (message: FromWorker) => {
  switch (message.type) {
    case 'progress':
      draw(message.files, message.bytes);
      break;
    case 'done':
      process.stdout.write(`\ndone: ${message.files} files, ${message.errors} errors\n`);
      break;
    case 'failed':
      process.stdout.write(`\n${message.code}: ${message.message}\n${message.hint ?? ''}\n`);
      process.exitCode = message.code === 'ABORTED' ? 2 : 1;
  }
});

/** How much there is in all, nobody knows before the end: a counter and a sign of life. */
function draw(files: number, bytes: number): void {
  const mark = '|/-\\'[Math.floor(Date.now() / 250) % 4];
  process.stdout.write(`\r${mark} ${files} files, ${(bytes / 1e6).toFixed(1)} MB`);
}
