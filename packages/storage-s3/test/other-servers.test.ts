/**
 * The same contract on other servers than Ceph's: MinIO in a container where a container engine runs, and any server that the environment
 * names: `REDUP_S3_ENDPOINT=http://host:port REDUP_S3_ACCESS_KEY=… REDUP_S3_SECRET_KEY=… npx vitest run other-servers`.
 */

import { spawnSync } from 'node:child_process';
import { storageConformance } from '@redup/storage/conformance';
import { skipForGood } from '@redup/testkit';
import { uniqueBucketName } from '@redup/testkit/s3';
import type { StartedTestContainer } from 'testcontainers';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { createS3Storage } from '../src/index.js';
import { quick } from './server.js';

interface Server {
  readonly endpointUrl: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

function conformance(name: string, server: () => Server): void {
  storageConformance(
    { describe, it },
    name,
    async () => {
      const { endpointUrl, ...credentials } = server();
      const storage = await createS3Storage(`s3://${uniqueBucketName()}/some/where`, {
        endpointUrl,
        region: 'us-east-1',
        credentials,
        chunkBytes: 5 * 1024 * 1024,
        retry: quick,
        create: 'if-missing',
      });
      return { storage, dispose: async () => {} };
    },
    // Larger than one chunk: the large object goes up in parts.
    { anyBytes: false, largeBytes: 12_000_000 },
  );
}

const { REDUP_S3_ENDPOINT: endpointUrl = '' } = process.env;
const { REDUP_S3_ACCESS_KEY: accessKeyId = '', REDUP_S3_SECRET_KEY: secretAccessKey = '' } = process.env;

if (endpointUrl !== '') conformance(`S3 at ${endpointUrl}`, () => ({ endpointUrl, accessKeyId, secretAccessKey }));

const MINIO = 'minio/minio:RELEASE.2025-04-22T22-12-26Z';
const KEYS = { accessKeyId: 'redup-test', secretAccessKey: 'redup-secret' };

/** Why no container can be started here, if none can. */
function whyNoContainers(): string | undefined {
  const asked = spawnSync('docker', ['info', '--format', '{{.ServerVersion}}'], { encoding: 'utf8', timeout: 20_000 });
  if (asked.error !== undefined) return 'needs a container engine: docker is not installed';
  if (asked.status !== 0) return `needs a container engine: ${asked.stderr.trim().split('\n').at(-1)}`;
  const pulled = spawnSync('docker', ['pull', '--quiet', MINIO], { encoding: 'utf8', timeout: 180_000 });
  return pulled.status === 0
    ? undefined
    : `the image ${MINIO} can't be had: ${pulled.stderr.trim().split('\n').at(-1)}`;
}

const reason = whyNoContainers();
// One test that says why, instead of one skipped test for each rule of the contract.
if (reason !== undefined) it('MinIO in a container', (context) => skipForGood(context, reason));
else describe('in a container', onMinio);

function onMinio(): void {
  let container: StartedTestContainer | undefined;

  beforeAll(async () => {
    const { GenericContainer, Wait } = await import('testcontainers');
    container = await new GenericContainer(MINIO)
      .withCommand(['server', '/data'])
      .withEnvironment({ MINIO_ROOT_USER: KEYS.accessKeyId, MINIO_ROOT_PASSWORD: KEYS.secretAccessKey })
      .withExposedPorts(9000)
      .withWaitStrategy(Wait.forHttp('/minio/health/ready', 9000))
      .start();
  });
  afterAll(async () => {
    await container?.stop();
  });

  conformance('MinIO', () => ({
    endpointUrl: `http://${container?.getHost()}:${container?.getMappedPort(9000)}`,
    ...KEYS,
  }));
}
