import type { Clock } from './clock.ts'
import { asError } from './failure.ts'
import { LeadershipLostError, type Leadership } from './leadership.ts'
import { claimed, leasePatch, type LeasePort, type LeaseRecord, newLease, recordOf, released } from './lease.ts'
import type { Log } from './log.ts'
import { LoopLag } from './loop-lag.ts'
import type { KubeObject } from './object.ts'
import { openScope } from './scope.ts'
import { unlessAborted } from './unless-aborted.ts'

/** How long a lease lasts without being renewed, for how long its holder tries to renew it, and how often; milliseconds. */
export type LeaseTimes = {
  readonly leaseDurationMs: number
  readonly renewDeadlineMs: number
  readonly retryPeriodMs: number
}

export type LeaderElectorOptions = LeaseTimes & {
  readonly lease: { readonly namespace: string; readonly name: string }
  readonly port: LeasePort
  /** Of this process alone: it must survive nothing. */
  readonly identity: string
  readonly clock: Clock
  /** Yields [0, 1), to spread retries. */
  readonly random: () => number
  readonly log: Log
}

type Observed = { readonly lease: KubeObject; readonly raw: string; readonly record: LeaseRecord; readonly atMs: number }

/** Sliding, so that replicas that start together do not stay together; client-go's. */
const JITTER = 0.2
/** How long past its end a lease must be for the process to count as stuck: longer than any loss takes to end it. */
const TOLERANCE_MS = 20_000
const MOST_RELEASES = 3

/**
 * client-go's election on a Lease (tools/leaderelection). No clock is ever compared with another's: a lease ends when
 * its bytes have not changed for as long as it lasts, on the monotonic clock of whoever looks. What is added to it: the
 * holder counts from before it asked, gives up at once where another holds the lease, gives back only what is its own,
 * and does not trust a lease across a stretch in which its event loop stood still.
 */
export class LeaderElector implements Leadership {
  readonly #options: LeaderElectorOptions
  readonly #tenure = new AbortController()
  readonly #lost = new AbortController()
  readonly #seconds: number
  readonly #lag: LoopLag
  #holding: Promise<unknown> = Promise.resolve()
  #observed: Observed | undefined
  #role: 'standby' | 'leader' | 'ended' = 'standby'
  /** Whether a write may have named us: then there is something to give back. */
  #hasClaimed = false
  #validUntilMs = -Infinity
  #stalledAtMs = -Infinity

  constructor(options: LeaderElectorOptions) {
    this.#options = options
    // Rounded up: what others wait for must not end before what we count on.
    this.#seconds = Math.ceil(options.leaseDurationMs / 1000)
    this.#lag = new LoopLag(options.clock, options.retryPeriodMs / 2)
  }

  get lost(): AbortSignal {
    return this.#lost.signal
  }

  readonly acquire = async (signal: AbortSignal): Promise<boolean> => {
    const { clock, random, retryPeriodMs, log, identity } = this.#options
    while (!signal.aborted) {
      if (await this.#round(signal)) {
        this.#role = 'leader'
        this.#holding = this.#hold(AbortSignal.any([this.#tenure.signal, this.#lost.signal]))
        log.info({ lease: this.#name, identity }, 'leading')
        return true
      }
      // A stop ends the wait early; the loop sees it.
      await clock.sleep(retryPeriodMs * (1 + JITTER * random()), signal).catch(() => undefined)
    }
    return false
  }

  readonly release = async (): Promise<void> => {
    const { clock, log, renewDeadlineMs } = this.#options
    this.#role = 'ended'
    this.#tenure.abort(new Error('the lease is to be released'))
    await this.#holding
    if (!this.#hasClaimed || this.#lost.signal.aborted) return
    const scope = openScope()
    scope.deadline(renewDeadlineMs, clock, () => new Error('the lease could not be released in time'))
    try {
      await unlessAborted(this.#giveBack(scope.signal), scope.signal)
    } catch (thrown) {
      log.warn({ lease: this.#name, err: asError(thrown) }, 'the lease is not released: it ends by itself')
    } finally {
      scope.close()
    }
  }

  readonly refusal = (timeoutMs: number): string | undefined => {
    this.#noticeStall()
    if (this.#role !== 'leader') return this.#role === 'standby' ? 'this process is on standby' : 'this process leads no longer'
    const leftMs = this.#validUntilMs - this.#options.clock.monotonic()
    return timeoutMs < leftMs ? undefined : `a write may take ${timeoutMs} ms, and the lease is certain for ${Math.max(0, Math.floor(leftMs))} ms only`
  }

  readonly problem = (): string | undefined => {
    if (this.#role !== 'leader' || this.#observed === undefined) return undefined
    const silentMs = this.#options.clock.monotonic() - this.#observed.atMs
    return silentMs > this.#options.leaseDurationMs + TOLERANCE_MS ? `leading, and the lease was last renewed ${Math.round(silentMs / 1000)} s ago` : undefined
  }

  get #name(): string {
    const { namespace, name } = this.#options.lease
    return `${namespace}/${name}`
  }

  #hold(ended: AbortSignal): Promise<unknown> {
    return Promise.all([this.#renew(ended), this.#lag.run(ended, this.#noticeStall)])
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { clock, retryPeriodMs } = this.#options
    for (;;) {
      await clock.sleep(retryPeriodMs, signal).catch(() => undefined)
      if (signal.aborted) return
      if (!(await this.#renewInTime(signal)) && !signal.aborted)
        this.#lose(this.#other === undefined ? `the lease could not be renewed for ${this.#options.renewDeadlineMs} ms` : `the lease is held by ${this.#other}`)
    }
  }

  async #renewInTime(signal: AbortSignal): Promise<boolean> {
    const { clock, retryPeriodMs, renewDeadlineMs } = this.#options
    const scope = openScope(signal)
    scope.deadline(renewDeadlineMs, clock, () => new Error(`not renewed within ${renewDeadlineMs} ms`))
    try {
      while (!scope.signal.aborted && this.#other === undefined) {
        if (await this.#round(scope.signal)) return true
        if (this.#other === undefined) await clock.sleep(retryPeriodMs, scope.signal).catch(() => undefined)
      }
      return false
    } finally {
      scope.close()
    }
  }

  /** One try to take or keep the lease; false where it failed, or the signal ended it. */
  async #round(signal: AbortSignal): Promise<boolean> {
    const { log } = this.#options
    try {
      return await unlessAborted(this.#tryAcquireOrRenew(signal), signal)
    } catch (thrown) {
      if (!signal.aborted) log.warn({ lease: this.#name, err: asError(thrown) }, this.#role === 'leader' ? 'cannot renew the lease' : 'cannot take the lease')
      return false
    }
  }

  async #tryAcquireOrRenew(signal: AbortSignal): Promise<boolean> {
    const { port, log, lease } = this.#options
    if (this.#observed?.record.holderIdentity === this.#options.identity && !this.#isOver(this.#observed)) {
      // Nobody else may have written it: no need to look.
      const kept = await this.#update(this.#observed, signal).catch((thrown: unknown) => {
        log.debug({ lease: this.#name, err: asError(thrown) }, 'the lease was not renewed unseen')
      })
      if (kept === true) return true
    }
    const found = await port.get(signal)
    // A port may answer although nobody waits any more.
    signal.throwIfAborted()
    if (found === undefined) return this.#claim((record) => port.create(newLease(lease, record), signal), undefined)
    const observed = this.#look(found)
    if (this.#other !== undefined && !this.#isOver(observed)) return false
    return this.#update(observed, signal)
  }

  #update({ lease, record }: Observed, signal: AbortSignal): Promise<true> {
    return this.#claim((next) => this.#options.port.update(leasePatch(lease, next), signal), record)
  }

  async #claim(write: (record: LeaseRecord) => Promise<KubeObject>, before: LeaseRecord | undefined): Promise<true> {
    const { clock, identity } = this.#options
    const sentMs = clock.monotonic()
    this.#hasClaimed = true
    const written = await write(claimed(before, { identity, seconds: this.#seconds, nowMs: clock.now() }))
    this.#observed = { ...this.#seen(written), atMs: clock.monotonic() }
    // A renewal that a standstill lies behind proves nothing of the time after it.
    if (sentMs >= this.#stalledAtMs) this.#validUntilMs = sentMs + this.#options.leaseDurationMs
    return true
  }

  /** Nothing but a change of its bytes says that a lease was renewed. */
  #look(lease: KubeObject): Observed {
    const seen = this.#seen(lease)
    const before = this.#observed
    this.#observed = { ...seen, atMs: before?.raw === seen.raw ? before.atMs : this.#options.clock.monotonic() }
    const { holderIdentity: leader } = seen.record
    if (leader !== before?.record.holderIdentity) this.#options.log.info({ lease: this.#name, leader }, leader === '' ? 'nobody leads' : 'a leader is seen')
    return this.#observed
  }

  #seen(lease: KubeObject): Omit<Observed, 'atMs'> {
    return { lease, raw: JSON.stringify(lease['spec']), record: recordOf(lease, this.#seconds) }
  }

  #isOver({ atMs, record }: Observed): boolean {
    return atMs + record.leaseDurationSeconds * 1000 <= this.#options.clock.monotonic()
  }

  /** Who else was last seen holding the lease. */
  get #other(): string | undefined {
    const holder = this.#observed?.record.holderIdentity ?? ''
    return holder === '' || holder === this.#options.identity ? undefined : holder
  }

  /** Who could not renew does not know who holds the lease now: only what still names us is given back. */
  async #giveBack(signal: AbortSignal): Promise<void> {
    const { port, identity, clock, log } = this.#options
    for (let tries = 1; ; tries++) {
      const lease = await port.get(signal)
      const record = lease && recordOf(lease, this.#seconds)
      if (lease === undefined || record?.holderIdentity !== identity) return
      try {
        await port.update(leasePatch(lease, released(record, clock.now())), signal)
        return log.info({ lease: this.#name }, 'the lease is released')
      } catch (thrown) {
        if (tries === MOST_RELEASES) throw thrown
      }
    }
  }

  readonly #noticeStall = (): void => {
    const { clock, renewDeadlineMs, log } = this.#options
    const lagMs = this.#lag.ms()
    if (this.#role !== 'leader' || lagMs <= renewDeadlineMs / 2) return
    if (lagMs > renewDeadlineMs) return this.#lose(`the event loop was blocked for ${Math.round(lagMs)} ms`)
    if (this.#validUntilMs !== -Infinity) log.warn({ lease: this.#name, lagMs: Math.round(lagMs) }, 'the event loop was blocked: nothing is written until the lease is renewed')
    this.#stalledAtMs = clock.monotonic()
    this.#validUntilMs = -Infinity
  }

  #lose(why: string): void {
    if (this.#role !== 'leader') return
    this.#role = 'ended'
    this.#options.log.error({ lease: this.#name, why }, 'the lead is lost')
    this.#lost.abort(new LeadershipLostError(`the lead is lost: ${why}`))
  }
}
