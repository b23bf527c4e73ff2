import type { Settings } from '../api/settings.ts'
import { sha256 } from '../canary/sha256.ts'
import { hashOfTargetsPods, targetsPods } from '../canary/targets-pods.ts'

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

/** The labels by which a subset selects the pods of a revision; a target's own pods belong to none, and are told by their template's hash. */
export function subsetLabels(revision: string, { source, versionLabel }: Settings): Readonly<Record<string, string>> {
  const hash = source.kind === 'target' ? hashOfTargetsPods(revision) : undefined
  return hash === undefined ? { [versionLabel]: revision } : { 'pod-template-hash': hash }
}

/** The revision that a subset with such labels is for; empty where it is for none. */
export const revisionOfSubset = ({ 'pod-template-hash': hash, ...labels }: Readonly<Record<string, string>>, { versionLabel }: Settings): string =>
  labels[versionLabel] ?? (hash === undefined ? '' : targetsPods(hash))
