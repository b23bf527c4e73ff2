import type { Model } from './model.ts'

/** Act 3, a moment after the rollback of v3. */
export const frame = (over: Partial<Model> = {}): Model => ({
  act: 3,
  acts: [
    { title: 'One version serves', tells: 'Serin adopts v1.', users: { answered: 464, failed: 0 } },
    { title: 'A release that fails every request', tells: 'v2 starts dark.', users: { answered: 618, failed: 0 } },
    { title: 'A failure that copies cannot show', tells: 'v3 answers GET and fails POST.', users: undefined },
    { title: 'A good release', tells: 'v4 passes every gate.', users: undefined },
  ],
  elapsedMs: 29_650,
  users: { answered: 2_766, failed: 7, rps: 100, shares: [...Array<number>(20).fill(0), 0.01, 0, 0.02] },
  bare: { answered: 96, failed: 47, rps: 0, shares: [0.5, 0.4, 0.6] },
  canary: {
    phase: 'Failed',
    message: 'v3 failed: error-rate 15.22% of 46 requests, limit 1% exceeded; v1 serves',
    revision: 'v3',
    steps: ['mirror', 'testers', '5%', '25%', '50%', 'promoted'],
    at: 2,
    done: 1,
    failed: true,
  },
  gates: [
    { name: 'error-rate', bound: '1%', check: { name: 'error-rate', verdict: 'Fail', value: '15.22%', requests: 46, needed: 0 } },
    { name: 'latency p99', bound: '1000ms', check: { name: 'latency', verdict: 'NotEnoughEvidence', value: '5ms', requests: 34, needed: 6 } },
  ],
  versions: [
    { version: 'v1', workload: 'service-c-v1', role: 'stable', pods: 1, ready: 1, weight: 1, requests: 2_715, errors: 0, mirrored: 0, mirroredErrors: 0 },
    { version: 'v2', workload: 'service-c-v2', role: 'failed', pods: 0, ready: 0, weight: 0, requests: 0, errors: 0, mirrored: 218, mirroredErrors: 218 },
    { version: 'v3', workload: 'service-c-v3', role: 'failed', pods: 1, ready: 1, weight: 0, requests: 51, errors: 7, mirrored: 235, mirroredErrors: 0 },
  ],
  moments: [
    { atMs: 15_000, reason: 'Applied', note: 'service-c-v3', warns: false },
    { atMs: 20_600, reason: 'StepStarted', note: 'v3: step 3/5 5%', warns: false },
    { atMs: 29_600, reason: 'RolledBack', note: 'v3 rolled back: error-rate 15.22% of 46 requests, limit 1% exceeded', warns: true },
  ],
  ...over,
})
