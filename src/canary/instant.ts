/** A time in milliseconds since the epoch, as the API writes it (RFC 3339, UTC). */
export const instant = (ms: number): string => new Date(ms).toISOString()
