import { storageConformance } from '@redup/storage/conformance';
import { startS3Proxy } from '@redup/testkit/s3';
import { describe, it } from 'vitest';
import { hasServer, newPlace } from './server.js';

describe.runIf(hasServer)('on a real server', () => {
  storageConformance(
    { describe, it },
    'S3',
    async () => ({ storage: await (await newPlace()).open({ chunkBytes: 5 * 1024 * 1024 }), dispose: async () => {} }),
    // Larger than one chunk: the large object goes up in parts.
    { anyBytes: false, largeBytes: 12_000_000 },
  );

  storageConformance(
    { describe, it },
    'S3 behind a proxy, at the top of a bucket',
    async () => {
      const place = await newPlace('');
      const proxy = await startS3Proxy({ target: place.server.endpoint });
      return { storage: await place.open({ endpointUrl: proxy.endpoint }), dispose: () => proxy.close() };
    },
    { anyBytes: false, largeBytes: 1_000_000 },
  );
});
