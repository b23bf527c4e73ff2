/**
 * Work that controllers ask for, once per name however often it is asked for, in microtasks: asynchronous as in a real
 * cluster, yet without a timer, so that everything a write sets off is done before virtual time moves.
 */
export class Turns {
  readonly #pending = new Map<string, () => void>()

  /** Does `work` soon, unless work of that name is waiting already. */
  ask(name: string, work: () => void): void {
    if (this.#pending.size === 0) queueMicrotask(() => this.#drain())
    if (!this.#pending.has(name)) this.#pending.set(name, work)
  }

  #drain(): void {
    for (const [name, work] of this.#pending) {
      this.#pending.delete(name)
      work()
    }
  }
}
