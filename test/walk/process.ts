import { Ages } from '../../src/controller/ages.ts'
import { Growths } from '../../src/controller/growths.ts'
import { rvOf, type Objects } from './objects.ts'

/** One operator process: its caches, its clocks, and what it wrote last. */
export class Process {
  readonly ages = new Ages()
  readonly growths = new Growths()
  readonly written: Record<string, number> = {}
  cache: Objects
  /** Of its monotonic clock and of its wall clock, milliseconds. */
  readonly skewMs: number
  readonly wallSkewMs: number
  busyUntil = 0

  constructor(cache: Objects, skewMs: number, wallSkewMs: number) {
    this.cache = cache
    this.skewMs = skewMs
    this.wallSkewMs = wallSkewMs
  }

  behind(objects: Objects): string | undefined {
    const older = Object.entries(this.written).find(([name, rv]) => rvOf(objects, name) < rv)
    return older && `the cache has not seen the write of ${older[0]}`
  }
}
