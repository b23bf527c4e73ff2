/** An instant of the wall clock as Kubernetes' MicroTime, whose parser insists on six fractional digits. */
export const microTime = (ms: number): string => new Date(Math.floor(ms)).toISOString().replace('Z', '000Z')
