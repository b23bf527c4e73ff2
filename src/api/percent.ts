/** A percentage as text: at most two digits after the point, from 0% to 100%. */
export const percentPattern = /^(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)%$/

/** The number, 0 to 100, that an integer (5) or a percentage ("2.5%") says; throws on any other text. */
export function parsePercent(percent: number | string): number {
  if (typeof percent === 'number') return percent
  if (!percentPattern.test(percent)) throw new Error(`"${percent}" is not a percentage like 25% or 2.5%`)
  return Number(percent.slice(0, -1))
}

/** A percentage for people, rounded to two digits after the point: "25%", "2.5%". */
export function formatPercent(percent: number): string {
  return `${Math.round(percent * 100) / 100}%`
}
