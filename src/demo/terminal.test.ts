import { describe, expect, it } from 'vitest'
import { frame } from './screen-fixture.ts'
import { plainLines } from './terminal.ts'

describe('plain lines', () => {
  it('tell each act and each moment once, and how things stand now and then', () => {
    const written: string[] = []
    const presenter = plainLines((text) => written.push(text), { columns: 100, color: false, everyMs: 5_000 })
    presenter.show(frame({ elapsedMs: 1_000, moments: frame().moments.slice(0, 1) }))
    presenter.show(frame({ elapsedMs: 29_650 }))
    presenter.show(frame({ elapsedMs: 30_000 }))
    presenter.show(frame({ elapsedMs: 34_700, act: 4 }))
    expect(written.join('')).toMatchInlineSnapshot(`
      "
      Act 3 of 4: A failure that copies cannot show
      v3 answers GET and fails POST.
       15.0s  Applied        service-c-v3
       20.6s  StepStarted    v3: step 3/5 5%
       29.6s  RolledBack     v3 rolled back: error-rate 15.22% of 46 requests, limit 1% exceeded
       29.6s  100/s · 0.25% of 2,766 failed · Failed

      Act 4 of 4: A good release
      v4 passes every gate.
       34.7s  100/s · 0.25% of 2,766 failed · Failed
      "
    `)
  })
})
