import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isMissing, peer } from '../peers.js';
import { tempDir } from '../temp.js';
import { startCeph, stopCeph } from './ceph.js';
import { coldTier } from './cold-tier.js';
import { startS3Proxy } from './proxy.js';

const hasServer = !isMissing(peer('radosgw')) || process.env['CI'] === 'true';

describe.runIf(hasServer)('a real S3 server', () => {
  it('starts on free ports, answers, and is gone when stopped', async () => {
    const directory = join(tempDir('ceph'), 'server');
    const server = await startCeph(directory);
    expect(await (await fetch(server.endpoint)).text()).toContain('ListAllMyBucketsResult');
    stopCeph(directory);
    await expect(fetch(server.endpoint)).rejects.toThrow();
    expect(existsSync(directory)).toBe(false);
  });
});

describe('the proxy', () => {
  /** A server that says what it got. */
  const echo = async () => {
    const { createServer } = await import('node:http');
    const server = createServer((request, answer) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => answer.end(`${request.method} ${Buffer.concat(parts)}`));
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    return { server, target: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}` };
  };

  it('passes everything on while nothing is planned, and does each fault when asked', async () => {
    const { server, target } = await echo();
    const proxy = await startS3Proxy({ target });
    const post = (): Promise<string> =>
      fetch(proxy.endpoint, { method: 'POST', body: 'hello', signal: AbortSignal.timeout(500) }).then(
        async (answer) => `${answer.status} ${await answer.text()}`,
      );
    expect(await post()).toBe('200 POST hello');
    proxy.plan = () => ({ kind: 'answer', status: 503, code: 'SlowDown' });
    expect(await post()).toMatch(/^503 .*<Code>SlowDown<\/Code>/);
    proxy.plan = () => ({ kind: 'flip-request', at: 0 });
    expect(await post()).toBe('200 POST iello');
    proxy.plan = () => ({ kind: 'flip-answer', at: 1 });
    expect(await post()).toBe('200 PNST hello');
    proxy.plan = () => ({ kind: 'truncate-answer', after: 3 });
    expect(await post()).toBe('200 POS');
    for (const when of ['before', 'after'] as const) {
      proxy.plan = () => ({ kind: 'reset', when });
      await expect(post()).rejects.toThrow('fetch failed');
      proxy.plan = () => ({ kind: 'stall', when });
      await expect(post()).rejects.toThrow('timeout');
    }
    proxy.plan = () => ({ kind: 'reset-request', after: 2 });
    await expect(post()).rejects.toThrow();
    proxy.plan = () => ({ kind: 'reset-answer', after: 2 });
    await expect(post()).rejects.toThrow();
    proxy.plan = () => undefined;
    await proxy.pause();
    await expect(post()).rejects.toThrow('fetch failed');
    await proxy.resume();
    expect(await post()).toBe('200 POST hello');
    expect(proxy.requests.length).toBe(12);
    await proxy.close();
    server.close();
  });

  it('takes as long as its latency and bandwidth say', async () => {
    const { server, target } = await echo();
    const proxy = await startS3Proxy({ target, latencyMs: 50, bytesPerSecond: 1_000_000 });
    const started = performance.now();
    await (await fetch(proxy.endpoint, { method: 'POST', body: Buffer.alloc(300_000) })).text();
    expect(performance.now() - started).toBeGreaterThan(600);
    await proxy.close();
    server.close();
  });

  it('simulates a cold tier: no reading before asking, and then only after a while', async () => {
    const { plan, recalled } = coldTier(30);
    const headers = { 'x-amz-storage-class': 'GLACIER' };
    const ask = (method: string, url: string) =>
      plan({ method, url, headers: method === 'PUT' ? headers : {}, index: 0 });
    expect(await ask('PUT', '/b/cold')).toBeUndefined();
    expect(await ask('GET', '/b/warm')).toBeUndefined();
    expect(await ask('GET', '/b/cold')).toMatchObject({ status: 403, code: 'InvalidObjectState' });
    expect(await ask('POST', '/b/cold?restore')).toMatchObject({ status: 202 });
    expect(await ask('POST', '/b/cold?restore')).toMatchObject({ status: 409 });
    expect(await ask('GET', '/b/cold')).toMatchObject({ status: 403 });
    await new Promise((resolve) => setTimeout(resolve, 40));
    expect(await ask('GET', '/b/cold')).toBeUndefined();
    expect(recalled).toEqual(['/b/cold']);
  });
});
