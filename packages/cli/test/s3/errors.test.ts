/** What can be wrong about an S3 target, through the command: one line that says what, one with the way out, and duplicity's exit code. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createS3User,
  type ProxyFault,
  type ProxyPlan,
  type S3Proxy,
  startS3Proxy,
  uniqueBucketName,
} from '@redup/testkit/s3';
import { afterEach, describe, expect, it } from 'vitest';
import { type How, newWorld } from './world.js';

const QUICK = ['--num-retries', '2', '--backend-retry-delay', '0'];

function always(fault: ProxyFault): ProxyPlan {
  return () => fault;
}

/** The server as it would answer, for what can't be brought about on a test machine. */
const ANSWERS = [
  [
    'a clock that is off by more than can be corrected',
    { kind: 'answer', status: 403, code: 'RequestTimeTooSkewed', message: 'The difference is too large.' },
    50,
    "clock differs too much from the server's",
    'timedatectl',
  ],
  [
    'a bucket in a region that is not told',
    { kind: 'answer', status: 301, code: 'PermanentRedirect', message: 'The bucket must be addressed elsewhere.' },
    50,
    'is in another region',
    '--s3-region-name',
  ],
  [
    'a server that fails',
    { kind: 'answer', status: 503, code: 'ServiceUnavailable', message: 'Sorry.' },
    38,
    'the server failed (503 ServiceUnavailable) (tried 2 times)',
    'run again later',
  ],
  [
    'expired credentials',
    { kind: 'answer', status: 400, code: 'ExpiredToken', message: 'The provided token has expired.' },
    51,
    'the credentials have expired',
    'renew them',
  ],
  [
    'a login page in the place of the server',
    {
      kind: 'answer',
      status: 200,
      headers: { 'content-type': 'text/html' },
      body: '<html>Welcome to the Grand Hotel</html>',
    },
    50,
    'is no listing',
    'login page',
  ],
] as const;

describe('the command says in one line', () => {
  let proxy: S3Proxy | undefined;
  afterEach(async () => {
    await proxy?.close();
    proxy = undefined;
  });

  /** Fails with this exit code, and prints two lines: what and the way out. */
  async function expectTold(
    run: Promise<{ code: number; stdout: string; stderr: string }>,
    code: number,
    says: string,
    way: string,
  ): Promise<void> {
    const result = await run;
    const lines = result.stderr
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('Attempt '));
    expect(lines, result.stderr).toHaveLength(2);
    expect(lines[0]).toContain(says);
    expect(lines[1]?.toLowerCase()).toContain(way.toLowerCase());
    expect(result.code, result.stderr).toBe(code);
    expect(result.stdout + result.stderr).not.toMatch(/redup-secret|secret-of-|Authorization|correct horse| at .*\.js/);
  }

  it.for(ANSWERS)('%s', async ([, fault, code, says, way], context) => {
    const { server, url, redup } = await newWorld(context);
    proxy = await startS3Proxy({ target: server.endpoint, plan: always(fault) });
    await expectTold(redup(['collection-status', ...QUICK, url], { endpoint: proxy.endpoint }), code, says, way);
  });

  it('that it tries as often, waits as long and listens as patiently as it is told', async (context) => {
    const { server, url, redup } = await newWorld(context);
    const at: number[] = [];
    proxy = await startS3Proxy({
      target: server.endpoint,
      plan: () => {
        at.push(performance.now());
        return { kind: 'stall', when: 'before' };
      },
    });
    const patience = ['--num-retries', '3', '--backend-retry-delay', '8', '--timeout', '1'];
    const { code, stdout, stderr } = await redup(['collection-status', ...patience, url], { endpoint: proxy.endpoint });
    expect(code).toBe(38);
    expect(stderr).toContain('in time (tried 3 times)');
    expect((stdout + stderr).match(/Attempt \d of 3 failed/g)).toEqual([
      'Attempt 1 of 3 failed',
      'Attempt 2 of 3 failed',
    ]);
    expect(at).toHaveLength(3);
    // A second of silence each, then a sixteenth and a quarter of the delay, less up to a quarter by chance.
    const [first = 0, second = 0, third = 0] = at;
    expect(second - first).toBeGreaterThan(1000 + (8000 / 16) * 0.75 - 50);
    expect(third - second).toBeGreaterThan(1000 + (8000 / 4) * 0.75 - 50);
    expect(third - first).toBeLessThan(15_000);
  });

  it('what a real server refuses: no bucket, no right, wrong keys; and where there is no server', async (context) => {
    const { server, bucket, url, folder, redup, redupOk } = await newWorld(context);
    mkdirSync(join(folder, 'src'));
    writeFileSync(join(folder, 'src/file'), 'x');
    const stranger = await createS3User(server, `stranger-${uniqueBucketName()}`);
    const status = ['collection-status', ...QUICK];
    const full = ['full', ...QUICK, 'src'];

    await expectTold(redup([...status, url]), 52, `there is no bucket ${bucket}`, 'check its name');
    // May not make it either.
    await expectTold(redup([...full, url], { keys: stranger }), 52, "it can't be created", 's3:CreateBucket');
    await redupOk([...full, url]);
    await expectTold(redup([...full, url], { keys: stranger }), 51, 's3:ListBucket', 'docs/s3.md');
    const wrong = (accessKey: string, secretKey: string): How => ({ keys: { accessKey, secretKey } });
    await expectTold(
      redup([...status, url], wrong(server.accessKey, 'x')),
      51,
      'the secret key is wrong',
      'AWS_SECRET',
    );
    await expectTold(
      redup([...status, url], wrong('nobody', 'x')),
      51,
      "doesn't know this access key",
      'AWS_ACCESS_KEY',
    );
    const none = { env: { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '' } };
    await expectTold(redup([...status, url], none), 51, 'no AWS credentials found', '~/.aws/credentials');
    const at = (endpoint: string): How => ({ endpoint });
    await expectTold(redup([...status, url], at('http://127.0.0.1:9')), 38, 'refuses connections', '--s3-endpoint-url');
    await expectTold(
      redup([...status, url], at('http://nowhere.invalid')),
      38,
      'unknown host name',
      '--s3-endpoint-url',
    );
    await expectTold(redup([...status, url], at('nonsense::')), 23, 'is not a URL', '--s3-endpoint-url');
    await expectTold(redup([...status, 's3://a/b/c']), 8, "can't be the name of a bucket", '3 to 63 characters');
  });
});
