import { defineConfig } from 'vitest/config'

/** Suites that run in the lab, one after another: `npm run test:lab`. */
export default defineConfig({
  root: new URL('../..', import.meta.url).pathname,
  test: {
    include: ['test/contract/**/*.test.ts', 'test/lab/**/*.lab.ts', 'test/install/**/*.lab.ts'],
    globalSetup: ['test/lab/global-setup.ts'],
    fileParallelism: false,
    // The same order everywhere, not by what a machine remembers of their lengths.
    cache: false,
    testTimeout: 180_000,
    hookTimeout: 180_000,
    restoreMocks: true,
  },
})
