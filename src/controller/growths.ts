const REMEMBERED_MS = 10 * 60_000

type Growth = { readonly revision: string; readonly replicas: number; readonly atMs: number }

/** How often each revision had to be made as large again as it had been, in the last ten minutes: somebody else sets its size. */
export class Growths {
  readonly #growths = new Map<string, readonly Growth[]>()

  /** A size was written. Monotonic milliseconds. */
  scaled(key: string, { revision, replicas }: { readonly revision: string; readonly replicas: number | undefined }, atMs: number): void {
    if (replicas === undefined || replicas === 0) return
    this.#growths.set(key, [...this.#recent(key, atMs), { revision, replicas, atMs }])
  }

  /** By revision; growing step by step counts for nothing. */
  repeated(key: string, nowMs: number): Readonly<Record<string, number>> {
    const recent = this.#recent(key, nowMs)
    const again = recent.filter((growth, index) => recent.slice(0, index).some(({ revision, replicas }) => revision === growth.revision && replicas >= growth.replicas))
    const counts: Record<string, number> = {}
    for (const { revision } of again) counts[revision] = (counts[revision] ?? 0) + 1
    return counts
  }

  forget(key: string): void {
    this.#growths.delete(key)
  }

  #recent(key: string, nowMs: number): readonly Growth[] {
    return (this.#growths.get(key) ?? []).filter(({ atMs }) => atMs > nowMs - REMEMBERED_MS)
  }
}
