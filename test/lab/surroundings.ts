import type { Parts } from './parts.ts'

/** How what runs inside the lab's namespaces is told where it is: an environment variable, JSON. */
export const SURROUNDINGS = 'SERIN_LAB'

export type Surroundings = { readonly directory: string; readonly parts: Parts; readonly ports: Readonly<Record<Door, number>> }

/** What can be reached from outside, on a loopback port each. */
export const DOORS = ['api', 'gateway', 'prometheus'] as const
export type Door = (typeof DOORS)[number]
