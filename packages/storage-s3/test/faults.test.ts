/**
 * Random faults between redup and a real server: whatever goes wrong, each call either did what it says or reports an
 * error; nothing that was stored is damaged, and a second run completes what the first one left.
 *
 * `REDUP_FAULT_SCHEDULES=500` runs that many schedules, `REDUP_FAULT_SEED` begins with another one.
 */

import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { collect, isStorageError, type Storage, type UploadSource } from '@redup/storage';
import { tempDir } from '@redup/testkit';
import { type ProxiedRequest, type ProxyFault, startS3Proxy } from '@redup/testkit/s3';
import { describe, expect, it } from 'vitest';
import { hasServer, names, newPlace, type Place, quick } from './server.js';

const SCHEDULES = Number(process.env['REDUP_FAULT_SCHEDULES'] ?? 24);
const FIRST_SEED = Number(process.env['REDUP_FAULT_SEED'] ?? 1);
const MIB = 1024 * 1024;

/** What a small backup stores, in its order: volumes, signatures, manifest. One volume goes up in parts. */
const FILES = [
  ['vol1', 6 * MIB],
  ['vol2', 70_000],
  ['vol3', 300],
  ['sigtar', 40_000],
  ['manifest', 200],
] as const;

describe.runIf(hasServer)('random faults', () => {
  it(`do no harm in ${SCHEDULES} schedules`, { timeout: 60_000 + SCHEDULES * 4000 }, async () => {
    const place = await newPlace('faults');
    const counts = { complete: 0, resumed: 0, faults: 0 };
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SCHEDULES; seed += 1) {
      const { resumed, faults } = await runSchedule(place, seed);
      counts[resumed ? 'resumed' : 'complete'] += 1;
      counts.faults += faults;
    }
    console.log(`fault schedules: ${JSON.stringify(counts)}`);
    expect(counts.faults).toBeGreaterThan(SCHEDULES);
    expect(counts.complete).toBeGreaterThan(0);
    if (SCHEDULES >= 24) expect(counts.resumed).toBeGreaterThan(0);
  });
});

async function runSchedule(place: Place, seed: number): Promise<{ resumed: boolean; faults: number }> {
  const random = generator(seed);
  const share = 0.05 + random() * 0.45;
  let faults = 0;
  const proxy = await startS3Proxy({
    target: place.server.endpoint,
    plan: (request) => {
      if (random() >= share) return undefined;
      faults += 1;
      return chooseFault(request, random);
    },
  });
  try {
    const data = new Map(FILES.map(([name, size]) => [`s${seed}.${name}`, randomBytes(size)]));
    const stored = new Set<string>();
    const first = await backup(place, proxy.endpoint, data, stored).then(
      () => 'complete',
      (error: unknown) => error,
    );
    if (first !== 'complete') expect(isStorageError(first), `seed ${seed}: ${String(first)}`).toBe(true);
    // Looked at without faults: what was reported is there, nothing is there in part.
    const clean = await place.open({ chunkBytes: 5 * MIB });
    await check(clean, data, stored, seed);
    // The next run completes it, without overwriting anything.
    if (first !== 'complete') await backup(place, place.server.endpoint, data, stored, 30_000);
    await check(clean, data, new Set(data.keys()), seed);
    await clean.remove([...data.keys()]);
    return { resumed: first !== 'complete', faults };
  } finally {
    await proxy.close();
  }
}

/** Stores what is missing, in order, as a resumed backup does: what is there already must be the same. */
async function backup(
  place: Place,
  endpointUrl: string,
  data: ReadonlyMap<string, Buffer>,
  stored: Set<string>,
  timeoutMs = 300,
): Promise<void> {
  const storage = await place.open({
    endpointUrl,
    timeoutMs,
    chunkBytes: 5 * MIB,
    retry: { ...quick, attempts: 4 },
  });
  try {
    for (const [name, bytes] of data) {
      await storage.put(name, fileSource(name, bytes), { ifExists: 'same' });
      stored.add(name);
    }
    const listed = await names(storage);
    for (const name of data.keys()) expect(listed).toContain(name);
    for (const [name, bytes] of data) {
      const read = await collect(await storage.get(name));
      expect(bytes.equals(read), `${name} as read through faults`).toBe(true);
    }
  } finally {
    await storage.close();
  }
}

async function check(
  storage: Storage,
  data: ReadonlyMap<string, Buffer>,
  stored: ReadonlySet<string>,
  seed: number,
): Promise<void> {
  const listed = new Set(await names(storage));
  for (const name of stored) expect(listed.has(name), `seed ${seed}: ${name} was reported as stored`).toBe(true);
  for (const [name, bytes] of data) {
    if (!listed.has(name)) continue;
    expect(bytes.equals(await collect(await storage.get(name))), `seed ${seed}: ${name} is whole`).toBe(true);
  }
}

/** Faults of every kind that fit the request. */
function chooseFault({ method }: ProxiedRequest, random: () => number): ProxyFault {
  const pick = <T>(...choices: readonly [T, ...T[]]): T => choices[Math.floor(random() * choices.length)] ?? choices[0];
  const bytes = Math.floor(random() * 100_000);
  const common = [
    { kind: 'reset', when: 'before' },
    { kind: 'reset', when: 'after' },
    { kind: 'stall', when: pick('before', 'after') },
    { kind: 'answer', status: 500, code: 'InternalError' },
    { kind: 'answer', status: 503, code: pick('SlowDown', 'ServiceUnavailable') },
    { kind: 'answer', status: 429, code: 'TooManyRequests' },
  ] as const satisfies readonly ProxyFault[];
  if (method === 'GET') {
    return pick<ProxyFault>(
      ...common,
      { kind: 'reset-answer', after: bytes },
      { kind: 'truncate-answer', after: Math.floor(bytes / 100) },
    );
  }
  if (method === 'PUT')
    return pick<ProxyFault>(...common, { kind: 'reset-request', after: bytes }, { kind: 'flip-request', at: bytes });
  return pick<ProxyFault>(...common);
}

function fileSource(name: string, bytes: Buffer): UploadSource {
  const path = join(tempDir('fault'), name);
  writeFileSync(path, bytes);
  return { kind: 'file', path, size: bytes.length, disposable: false };
}

function generator(seed: number): () => number {
  let state = (seed * 2654435761) >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}
