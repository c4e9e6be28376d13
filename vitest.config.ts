import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const packages = fileURLToPath(new URL('./packages/', import.meta.url));

/**
 * Tests import the sources of every package, so that a failure points at a line of TypeScript.
 * Only worker threads and the WebAssembly module come from `dist`: `npm test` builds first.
 */
export default defineConfig({
  resolve: {
    alias: [
      { find: /^@redup\/([a-z0-9-]+)$/, replacement: `${packages}$1/src/index.ts` },
      { find: /^@redup\/([a-z0-9-]+)\/([a-z0-9-]+)$/, replacement: `${packages}$1/src/$2.ts` },
      { find: /^librsync-wasm$/, replacement: `${packages}librsync-wasm/src/index.ts` },
    ],
  },
  test: {
    globalSetup: ['packages/testkit/src/global-setup.ts'],
    include: ['packages/*/src/**/*.test.ts', 'packages/*/test/**/*.test.ts', 'examples/test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
