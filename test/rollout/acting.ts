import { action } from '../fixtures.ts'
import { actionCrd, type Harness, type ProcessOptions } from '../harness.ts'
import { adopted } from './adopted.ts'

/** v1 serves, and CanaryActions are served. */
export const acting = (spec: Readonly<Record<string, unknown>> = {}, operator: ProcessOptions = {}): Promise<Harness> => adopted({ spec, objects: [actionCrd()], operator })

/** Somebody asks for something; resolves with what became of it. */
export async function asked(harness: Harness, kind: string, spec: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const name = await asks(harness, kind, spec)
  await harness.until(() => harness.result(name) !== '', 30_000, 50)
  return harness.result(name)
}

/** The same without waiting; resolves with the name of the action. */
export async function asks(harness: Harness, kind: string, spec: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const name = `${kind.toLowerCase()}-${harness.sandbox.cluster.reader.list('canaryactions.serin.dev').length}`
  await harness.apply(action(kind, spec, name))
  return name
}

/** Notes of the events of one reason. */
export const told = (harness: Harness, reason: string): readonly string[] =>
  harness.events().flatMap((event) => (event.includes(` ${reason}: `) ? [event.slice(event.indexOf(': ') + 2)] : []))
