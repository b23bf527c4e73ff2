import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { render } from './screen.ts'
import { frame } from './screen-fixture.ts'
import { widthOf } from './text.ts'

const ESCAPES = new RegExp(String.raw`\u001B\[[\d;]*m`, 'g')

describe('the screen', () => {
  it('says everything in 80 columns and 24 rows, without colour', () => {
    expect(render(frame(), { columns: 80, rows: 24, color: false }).join('\n')).toMatchInlineSnapshot(`
      " [serin]  act 3 of 4  A failure that copies cannot show                   29.6s
       v3 answers GET and fails POST.
       with Serin  ▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▁▂▁▂           100/s   0.25% of 2,766 failed
       without     ▅▄▅                               ended   49.0% of 96 failed
       Canary service-c ───────────────────────────────────────────────── v3 [Failed]
       ━━━━━━━━━━━━ ━━━━━━━━━━━━ ━━━━━━━━━━━━ ──────────── ──────────── ─────────────
       mirror       testers      ✗ 5%         25%          50%          promoted
       v3 failed: error-rate 15.22% of 46 requests, limit 1% exceeded; v1 serves
       Gates ───────────────────    value    limit    requests  verdict
       error-rate                  15.22%     ≤ 1%          46  ✗ fail
       latency p99                    5ms ≤ 1000ms    34 of 40  … not enough evidence
       Versions ─────  pods  weight                   users  failed  mirrored  failed
       ● v1  stable     1/1  █████████████████  100%  2,715   0.00%         –
       ✗ v2  failed     0/0                       0%      –               218    100%
       ✗ v3  failed     1/1                       0%     51   13.7%       235   0.00%
       Events ───────────────────────────────────────────────────────────────────────
        15.0s  Applied        service-c-v3
        20.6s  StepStarted    v3: step 3/5 5%
        29.6s  RolledBack     v3 rolled back: error-rate 15.22% of 46 requests, limit
                              1% exceeded"
    `)
  })

  it('puts the events and the story beside the rest in 140 columns', () => {
    const lines = render(frame(), { columns: 140, rows: 40, color: false })
    expect(lines.find((line) => line.includes('Canary service-c'))).toMatch(/v3 \[Failed\] +Events ─+$/)
    expect(lines.find((line) => line.includes('error-rate   '))).toMatch(/15\.22% +≤ 1% +46 {2}✗ fail/)
    expect(lines.find((line) => line.includes('▸ 3'))).toContain('A failure that copies cannot show')
    expect(lines.join('\n').replaceAll(/\s+/g, ' ')).toContain('0 of 618')
  })

  it('never exceeds the terminal, whatever its size and whatever is said', () => {
    const message = fc.string({ unit: fc.constantFrom('a', ' ', '漢', '🚀', '%'), maxLength: 300 })
    const sizes = fc.record({ columns: fc.integer({ min: 80, max: 200 }), rows: fc.integer({ min: 24, max: 60 }), color: fc.boolean() })
    fc.assert(fc.property(message, sizes, (note, size) => {
      const { canary, moments } = frame()
      const model = frame({ canary: canary && { ...canary, message: note }, moments: [...moments, { atMs: 31_000, reason: note, note, warns: false }] })
      const lines = render(model, size)
      expect(lines.length).toBeLessThanOrEqual(size.rows)
      expect(Math.max(...lines.map((line) => widthOf(line.replaceAll(ESCAPES, ''))))).toBeLessThanOrEqual(size.columns)
    }))
  })

  it('says the same with colours as without', () => {
    for (const columns of [80, 140]) {
      const [colored, plain] = [true, false].map((color) => render(frame(), { columns, rows: 40, color }))
      const bare = colored?.map((line) => line.replaceAll(ESCAPES, '').replace(' Failed ', '[Failed]').replace(' serin ', '[serin]').trimEnd())
      expect(bare?.map((line) => line.trim())).toEqual(plain?.map((line) => line.trim()))
      expect(plain?.join('')).not.toContain('\u001B')
    }
  })

  it('shows what is not there yet as such', () => {
    const lines = render(frame({ act: 1, users: undefined, bare: undefined, canary: undefined, gates: [], versions: [], moments: [] }), { columns: 80, rows: 24, color: false })
    expect(lines.join('\n')).toContain('not applied yet')
    expect(lines.filter((line) => line.includes('no requests yet'))).toHaveLength(2)
  })
})
