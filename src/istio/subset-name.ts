import { sha256 } from '../canary/sha256.ts'

const PREFIX = 'serin-'
const DNS_LABEL = /^[a-z0-9]([a-z0-9-]{0,55}[a-z0-9])?$/

/**
 * The subset of a revision: the revision itself behind "serin-" where it is a DNS label of at most 57 characters.
 * Label values such as "1.4.2_rc1" are none: of those the cleaned beginning, with 10 hex digits of their SHA-256.
 */
export function subsetName(revision: string): string {
  if (DNS_LABEL.test(revision)) return PREFIX + revision
  const cleaned = revision.toLowerCase().replaceAll(/[^a-z0-9-]+/g, '-').slice(0, 46)
  return `${PREFIX}${cleaned}-${sha256(revision).slice(0, 10)}`
}
