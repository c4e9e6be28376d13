/**
 * A worker of a deflate ring: draws the next job, waits for it, deflates it, for ever. It never
 * returns to its event loop; the main thread ends it with `terminate()` or by closing the ring.
 */
import { workerData } from 'node:worker_threads';
import { deflateSlot } from './deflate-slot.js';
import { CLOSED, DRAWN, QUEUED, RingMemory, STATE, type WorkerStart } from './ring-memory.js';

const { memory: shared, settings } = workerData as WorkerStart;
const memory = new RingMemory(shared, settings);
const { words } = memory;

for (;;) {
  const job = Atomics.add(words, DRAWN, 1);
  for (;;) {
    const queued = Atomics.load(words, QUEUED);
    if (queued > job || Atomics.load(words, CLOSED) === 1) break;
    Atomics.wait(words, QUEUED, queued);
  }
  if (Atomics.load(words, CLOSED) === 1) break;
  const slot = Atomics.load(words, memory.jobWord(job));
  deflateSlot(memory, slot, settings);
  Atomics.notify(words, memory.slotWord(slot, STATE));
}
