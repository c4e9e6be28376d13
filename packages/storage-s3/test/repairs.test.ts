import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { isStorageError, type RetryEvent, StorageRegistry } from '@redup/storage';
import { tempDir } from '@redup/testkit';
import { createS3User, s3Client, startS3Proxy, uniqueBucketName } from '@redup/testkit/s3';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createS3Storage, registerS3, type S3Notice } from '../src/index.js';
import { bytes, failure, hasServer, names, newPlace, optionsFor, quick } from './server.js';

describe.runIf(hasServer)('opening a bucket', () => {
  it('that is missing is an error with a way out, or makes it when asked', async () => {
    const { server } = await newPlace();
    const options = optionsFor(server);
    const url = `s3://${uniqueBucketName()}/x`;
    const error = await failure(createS3Storage(url, options));
    expect(error).toMatchObject({ code: 'target-missing', permanent: true });
    expect(error.message).toContain('there is no bucket');
    const notices: S3Notice[] = [];
    const storage = await createS3Storage(url, {
      ...options,
      create: 'if-missing',
      onNotice: (notice) => notices.push(notice),
    });
    await storage.put('v', bytes('x'));
    expect(notices.map(({ code }) => code)).toEqual(['bucket-created']);
    await createS3Storage(url, { ...options, create: 'if-missing', onNotice: (notice) => notices.push(notice) });
    expect(notices).toHaveLength(1);
  });

  it('that is missing and may not be made says which permission is missing', async () => {
    const { server } = await newPlace();
    const { accessKey: accessKeyId, secretKey: secretAccessKey } = await createS3User(
      server,
      `poor-${uniqueBucketName()}`,
    );
    const options = {
      ...optionsFor(server),
      credentials: { accessKeyId, secretAccessKey },
      create: 'if-missing',
    } as const;
    const error = await failure(createS3Storage(`s3://${uniqueBucketName()}`, options));
    expect(error).toMatchObject({ code: 'target-missing' });
    expect(error.hint).toContain('s3:CreateBucket');
  });

  it('whose creation loses its answer is fine', async () => {
    const { server } = await newPlace();
    let lost = 0;
    const proxy = await startS3Proxy({
      target: server.endpoint,
      plan: ({ method }) => (method === 'PUT' && lost++ === 0 ? { kind: 'reset', when: 'after' } : undefined),
    });
    const storage = await createS3Storage(`s3://${uniqueBucketName()}`, {
      ...optionsFor(server),
      endpointUrl: proxy.endpoint,
      create: 'if-missing',
    });
    expect(await names(storage)).toEqual([]);
    expect(lost).toBe(2);
    await proxy.close();
  });

  it('of somebody else, with wrong keys, at a wrong address: one line each, with the way out', async () => {
    const { server, url } = await newPlace();
    const options = optionsFor(server);
    const stranger = await createS3User(server, `stranger-${uniqueBucketName()}`);
    const keys = (accessKeyId: string, secretAccessKey: string) => ({
      ...options,
      credentials: { accessKeyId, secretAccessKey },
    });
    const cases = [
      [keys(stranger.accessKey, stranger.secretKey), 'permission', 's3:ListBucket'],
      [keys('nobody', 'x'), 'credentials', "doesn't know this access key"],
      [keys(server.accessKey, 'wrong'), 'credentials', 'secret key is wrong'],
      [{ ...options, endpointUrl: 'http://127.0.0.1:9' }, 'unreachable', 'refuses connections'],
      [{ ...options, endpointUrl: 'http://no-such-host.invalid' }, 'unreachable', 'unknown host name'],
      [{ ...options, endpointUrl: server.endpoint.replace('http:', 'https:') }, 'unreachable', 'no secure connection'],
      [{ ...options, endpointUrl: 'not a url' }, 'bad-option', 'not a URL'],
    ] as const;
    for (const [given, code, says] of cases) {
      const error = await failure(createS3Storage(url, given));
      expect(error, says).toMatchObject({ code, permanent: true });
      expect(error.message).toContain(says);
      expect(error.message).not.toMatch(/\n|redup-secret/);
      expect(error.hint).toMatch(/^\S.{10,}$/);
    }
  });

  it("is refused when the certificate is nobody's, with the way to trust it", async () => {
    const directory = tempDir('tls');
    const pem = (name: string): string => join(directory, name);
    const subject = ['-subj', '/CN=localhost', '-days', '2', '-nodes', '-newkey', 'rsa:2048'];
    spawnSync('openssl', ['req', '-x509', ...subject, '-keyout', pem('key'), '-out', pem('cert')]);
    const server = createServer({ key: readFileSync(pem('key')), cert: readFileSync(pem('cert')) });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const error = await failure(
      createS3Storage('s3://bucket', { endpointUrl: `https://localhost:${port}`, credentials, retry: quick }),
    );
    expect(error).toMatchObject({ code: 'unreachable', permanent: true });
    expect(error.hint).toContain('NODE_EXTRA_CA_CERTS');
    server.close();
  });
});

describe.runIf(hasServer)('repairs on the way', () => {
  it('a clock that is off is corrected for, with a word', async () => {
    const place = await newPlace();
    const ahead = Date.now() + 3 * 3600 * 1000;
    vi.useFakeTimers({ toFake: ['Date'], now: ahead });
    const notices: S3Notice[] = [];
    try {
      const storage = await place.open({ onNotice: (notice) => notices.push(notice) });
      await storage.put('v', bytes('x'));
      expect(await names(storage)).toEqual(['v']);
    } finally {
      vi.useRealTimers();
    }
    expect(notices.map(({ code }) => code)).toEqual(['clock-corrected']);
    expect(notices[0]?.message).toMatch(/-108\d\d s|10[78]\d\d s/);
  });

  it.each([
    ['a redirect', { status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-north-1' } }],
    [
      'a refusal',
      {
        status: 400,
        code: 'AuthorizationHeaderMalformed',
        body: '<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>',
      },
    ],
  ] as const)('a bucket in another region is followed there after %s', async (_name, answer) => {
    const place = await newPlace();
    const proxy = await startS3Proxy({
      target: place.server.endpoint,
      plan: ({ headers }) =>
        `${headers['authorization']}`.includes('/eu-north-1/') ? undefined : { kind: 'answer', ...answer },
    });
    const notices: S3Notice[] = [];
    const storage = await place.open({ endpointUrl: proxy.endpoint, onNotice: (notice) => notices.push(notice) });
    await storage.put('v', bytes('x'));
    expect(await names(storage)).toEqual(['v']);
    expect(notices.map(({ code }) => code)).toEqual(['region-followed']);
    expect(notices[0]?.message).toContain('--s3-region-name eu-north-1');
    await proxy.close();
  });

  it('a bucket that nobody can find a region for is an error', async () => {
    const place = await newPlace();
    const proxy = await startS3Proxy({
      target: place.server.endpoint,
      plan: () => ({ kind: 'answer', status: 301, code: 'PermanentRedirect' }),
    });
    const error = await failure(place.open({ endpointUrl: proxy.endpoint }));
    expect(error).toMatchObject({ code: 'wrong-region', permanent: true });
    expect(error.hint).toContain('--s3-region-name');
    await proxy.close();
  });

  it('a bucket that vanishes in mid-run is an error that says so', async () => {
    const place = await newPlace();
    const storage = await place.open();
    const { DeleteBucketCommand } = await import('@aws-sdk/client-s3');
    await s3Client(place.server).send(new DeleteBucketCommand({ Bucket: place.bucket }));
    expect(await failure(storage.put('v', bytes('x')))).toMatchObject({ code: 'target-missing' });
    expect(await failure(names(storage))).toMatchObject({ code: 'target-missing' });
  });
});

describe.runIf(hasServer)('credentials', () => {
  afterEach(() => vi.unstubAllEnvs());

  /** A shared credentials file, as `aws configure` writes it. */
  function writeCredentials(path: string, id: string, secret: string): void {
    writeFileSync(path, `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`);
  }

  it('come from the default chain: environment, then files', async () => {
    const { server, url } = await newPlace();
    const { credentials: _unused, ...options } = optionsFor(server);
    const home = tempDir('home');
    mkdirSync(join(home, '.aws'));
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(home, '.aws/credentials'));
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    const none = await failure(createS3Storage(url, options));
    expect(none).toMatchObject({ code: 'credentials', permanent: true });
    expect(none.hint).toContain('AWS_ACCESS_KEY_ID');
    vi.stubEnv('AWS_ACCESS_KEY_ID', server.accessKey);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', server.secretKey);
    expect(await names(await createS3Storage(url, options))).toEqual([]);
    vi.unstubAllEnvs();
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', join(home, '.aws/credentials2'));
    writeCredentials(join(home, '.aws/credentials2'), server.accessKey, server.secretKey);
    expect(await names(await createS3Storage(url, options))).toEqual([]);
  });

  it('that expire in mid-run are read anew, and the run goes on', async () => {
    const { server, url } = await newPlace();
    const { credentials: _unused, ...options } = optionsFor(server);
    const file = join(tempDir('home'), 'credentials');
    writeCredentials(file, 'old-key', 'old-secret');
    vi.stubEnv('AWS_SHARED_CREDENTIALS_FILE', file);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    let expired = false;
    // Until they expire the server takes the old keys: the proxy answers in its place.
    const listing = '<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
    const proxy = await startS3Proxy({
      target: server.endpoint,
      plan: ({ headers }) => {
        if (!`${headers['authorization']}`.includes('old-key')) return undefined;
        return expired
          ? { kind: 'answer', status: 400, code: 'ExpiredToken' }
          : { kind: 'answer', status: 200, body: listing };
      },
    });
    const notices: string[] = [];
    const storage = await createS3Storage(url, {
      ...options,
      endpointUrl: proxy.endpoint,
      onNotice: ({ code }) => notices.push(code),
    });
    expired = true;
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 60_000 });
    writeCredentials(file, server.accessKey, server.secretKey);
    await storage.put('v', bytes('x')).finally(() => vi.useRealTimers());
    expect(await names(storage)).toEqual(['v']);
    expect(notices).toContain('credentials-reloaded');
    await proxy.close();
  });

  it('that have expired for good are an error that says how to go on', async () => {
    const place = await newPlace();
    const proxy = await startS3Proxy({ target: place.server.endpoint });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    proxy.plan = () => ({ kind: 'answer', status: 400, code: 'ExpiredToken' });
    const error = await failure(storage.put('v', bytes('x')));
    expect(error).toMatchObject({ code: 'credentials', permanent: true });
    expect(error.hint).toContain('run again to go on');
    await proxy.close();
  });
});

describe.runIf(hasServer)('patience', () => {
  it('is what the options say: attempts, pauses, and the time a silent connection is waited for', async () => {
    const place = await newPlace();
    const proxy = await startS3Proxy({ target: place.server.endpoint });
    const events: RetryEvent[] = [];
    const retry = { ...quick, attempts: 4, onRetry: (event: RetryEvent) => events.push(event) };
    const storage = await place.open({ endpointUrl: proxy.endpoint, retry, timeoutMs: 150 });
    const seen = (): number => proxy.requests.splice(0).length;
    seen();
    proxy.plan = () => ({ kind: 'answer', status: 503, code: 'SlowDown' });
    expect(await failure(storage.stat('v'))).toMatchObject({ code: 'throttled', permanent: true });
    expect(seen()).toBe(4);
    expect(events.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    proxy.plan = () => ({ kind: 'stall', when: 'before' });
    const started = Date.now();
    expect(await failure(storage.stat('v'))).toMatchObject({ code: 'timeout' });
    expect(Date.now() - started).toBeGreaterThan(550);
    expect(Date.now() - started).toBeLessThan(5000);
    expect(seen()).toBe(4);
    proxy.plan = () => ({ kind: 'answer', status: 403, code: 'AccessDenied' });
    expect(await failure(storage.stat('v'))).toMatchObject({ code: 'permission' });
    expect(seen()).toBe(1);
    await proxy.close();
  });

  it('obeys a server that says how long to wait', async () => {
    const place = await newPlace();
    let count = 0;
    const proxy = await startS3Proxy({ target: place.server.endpoint });
    const storage = await place.open({ endpointUrl: proxy.endpoint });
    proxy.plan = () =>
      count++ === 0
        ? { kind: 'answer', status: 429, code: 'TooManyRequests', headers: { 'retry-after': '1' } }
        : undefined;
    const started = Date.now();
    await storage.stat('v');
    expect(Date.now() - started).toBeGreaterThan(990);
    await proxy.close();
  });

  it('outlasts a server that restarts', async () => {
    const place = await newPlace();
    const proxy = await startS3Proxy({ target: place.server.endpoint });
    const storage = await place.open({
      endpointUrl: proxy.endpoint,
      retry: { ...quick, attempts: 40, maxDelayMs: 50 },
    });
    await proxy.pause();
    setTimeout(() => void proxy.resume(), 300);
    await storage.put('v', bytes('x'));
    expect(await names(storage)).toEqual(['v']);
    await proxy.close();
  });

  it('ends at once when aborted during a pause', async () => {
    const place = await newPlace();
    const proxy = await startS3Proxy({ target: place.server.endpoint });
    const slow = { ...quick, firstDelayMs: 60_000, maxDelayMs: 60_000 };
    const storage = await place.open({ endpointUrl: proxy.endpoint, retry: slow });
    proxy.plan = () => ({ kind: 'answer', status: 500, code: 'InternalError' });
    const error = await failure(storage.put('v', bytes('x'), { signal: AbortSignal.timeout(100) }));
    expect(isStorageError(error, 'aborted')).toBe(true);
    await proxy.close();
  });
});

describe('the package', () => {
  it('is known to a registry under all its schemes, and loads the SDK only for a URL that needs it', () => {
    const program = `
      const { StorageRegistry } = await import(${JSON.stringify(new URL('../../storage/dist/index.js', import.meta.url).href)});
      const { registerS3 } = await import(${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)});
      const { Module } = await import('node:module');
      const registry = registerS3(new StorageRegistry());
      const loaded = () => Object.keys(Module._cache).concat(process.memoryUsage ? [] : []).filter((path) => path.includes('client-s3')).length > 0;
      const before = loaded();
      await registry.open('boto3+s3://no-such-bucket', { retry: { attempts: 1, firstDelayMs: 0, factor: 1, maxDelayMs: 0, jitter: 0 } }).catch(() => {});
      console.log(registry.schemes.join(' '), before, loaded());`;
    const env = {
      PATH: process.env['PATH'] ?? '',
      AWS_ENDPOINT_URL: 'http://127.0.0.1:9',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 'b',
    };
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      env,
    });
    expect(stdout.trim(), stderr).toBe('file s3 s3+http boto3+s3 boto+s3 false true');
    expect(stderr).toBe('');
  });

  it('lets the options of the moment win over those of the registration', async () => {
    const registry = registerS3(new StorageRegistry(), {
      credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
      endpointUrl: 'http://127.0.0.1:9',
      retry: { ...quick, attempts: 7 },
    });
    const error = await failure(registry.open('s3://bucket', { retry: { ...quick, attempts: 2 } }));
    expect(error.message).toContain('tried 2 times');
  });
});

describe.runIf(hasServer)('the README', () => {
  it('shows an example that runs', async () => {
    const { server } = await newPlace();
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8');
    const dist = (name: string): string => JSON.stringify(new URL(`../../${name}/dist/index.js`, import.meta.url).href);
    const program = (/```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? '')
      .replace("'@redup/storage'", dist('storage'))
      .replace("'@redup/storage-s3'", dist('storage-s3'))
      .replace('my-backups', uniqueBucketName());
    const env = {
      PATH: process.env['PATH'] ?? '',
      ENDPOINT: server.endpoint,
      AWS_ACCESS_KEY_ID: server.accessKey,
      AWS_SECRET_ACCESS_KEY: server.secretKey,
    };
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      encoding: 'utf8',
      env,
    });
    expect(stdout, stderr).toBe('greeting 5\n');
    expect(stderr).toBe('');
  });
});
