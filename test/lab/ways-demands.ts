import { readFileSync } from 'node:fs'
import { expect } from 'vitest'
import type { KubeObject } from '../../src/runtime/object.ts'
import { readyOf, subsetsOf, type WaysShop } from './ways-shop.ts'

/** The commands of docs/ci.md, with the names and waits of the shop: one block for each way to wait. */
export function recipes(path: string): readonly string[] {
  const blocks = [...readFileSync('docs/ci.md', 'utf8').matchAll(/```sh\n([^]*?)```/g)].map(([, block = '']) => block)
  return blocks.map((block) => block.replaceAll('canary/web', 'canary/shop').replaceAll('web-v2.yaml', path).replaceAll('=30m', '=100s'))
}

/** What several cases ask of a shop. */
export class WaysDemands {
  readonly #shop: WaysShop
  /** Since then every route names a revision, and the target's own pods are gone. */
  adopted = Infinity
  /** When somebody took something away without which the mesh cannot answer, and until it could again. */
  readonly gaps: { readonly from: number; readonly to: number }[] = []

  constructor(shop: WaysShop) {
    this.#shop = shop
  }

  /** Nobody was answered by the mesh, or by a pod of no revision. */
  unnoticed(): void {
    expect(this.#shop.meshMade().filter(({ at }) => !this.gaps.some(({ from, to }) => at >= from && at <= to))).toEqual([])
    expect(this.#shop.byTheTarget(this.adopted)).toEqual([])
  }

  /** Since `from` users went back to a revision in one write, when its pods were ready, and no step was gone through. */
  async oneWrite(back: string, from: number): Promise<void> {
    const shop = this.#shop
    const [write, ...more] = shop.routes.writes('shop', from)
    expect([write, ...more].map((each) => each && subsetsOf(each))).toEqual([[`serin-${back}`]])
    const at = write?.at ?? 0
    // Two watches: one may tell a little later than the other.
    expect(shop.deployments.of(`shop-${back}`).filter((change) => change.at <= at + 100).map(readyOf).at(-1)).toBe(2)
    const late = Math.max(0, ...shop.answers.filter((answer) => answer.at > at && answer.version !== back).map((answer) => answer.at - at))
    process.stderr.write(`ways: back after ${at - from} ms, the last request elsewhere ${late} ms later\n`)
    expect(late).toBeLessThan(3000)
    expect((await shop.events()).filter((event) => event.startsWith(`StepStarted: ${back}:`))).toHaveLength(1)
    this.unnoticed()
  }

  /** Applies a release that fails, as CI does it; what the pipeline says is what Serin says. */
  async failsInCi(manifest: KubeObject, why: RegExp): Promise<void> {
    const shop = this.#shop
    const [, loop = '', compared = ''] = recipes(shop.file(manifest))
    const from = Date.now()
    const { code, said } = await shop.shell(compared.split('\n').filter((line) => !line.startsWith('kubectl wait')).join('\n') + loop)
    expect(said).toMatch(why)
    expect(code).toBe(1)
    const { failed, stableRevision } = await shop.until('the failure to be over', ({ phase }) => phase === 'Failed')
    expect(stableRevision).toBe(shop.stable)
    expect((await shop.sizes())[`shop-${failed?.revision ?? ''}`]).toBe(0)
    expect(shop.answers.filter(({ at, version }) => at > from && version !== shop.stable)).toEqual([])
    expect(shop.shrunk(shop.stable, 2, { from, to: Infinity })).toEqual([])
    this.unnoticed()
  }
}
