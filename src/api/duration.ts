const millisecondsPer: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/** A duration as GEP-2257 writes it: up to four numbers, each with its unit. */
export const durationPattern = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/

/** Milliseconds of a GEP-2257 duration such as "1h30m" or "500ms"; throws on any other text. */
export function parseDuration(text: string): number {
  if (!durationPattern.test(text)) throw new Error(`"${text}" is not a duration like 30s, 5m or 1h30m`)
  let milliseconds = 0
  for (const [, amount, unit = ''] of text.matchAll(/(\d+)(ms|h|m|s)/g)) {
    milliseconds += Number(amount) * (millisecondsPer[unit] ?? 0)
  }
  return milliseconds
}

/** The shortest GEP-2257 text for a number of milliseconds, such as "1m30s"; rounded to one millisecond, "0s" for nothing. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.max(0, Math.round(milliseconds))
  let text = ''
  for (const [unit, size] of Object.entries(millisecondsPer)) {
    const amount = Math.floor(rest / size)
    if (amount > 0) text += `${amount}${unit}`
    rest -= amount * size
  }
  return text === '' ? '0s' : text
}
