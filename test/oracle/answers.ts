/** What Prometheus was asked: counters of answers, of durations, or of what the mesh answered itself; "then": as of an earlier time. */
export type Question = `${'counts' | 'durations' | 'mesh'}${'' | ' then'}`

/** What came back: numbers, none, or nothing to go by. */
export type Verdict = 'value' | 'empty' | 'error'

/** Undefined: no query. */
export function questionOf(path: string, body = ''): Question | undefined {
  const [place = '', query = ''] = path.split('?')
  const parameters = new URLSearchParams(`${query}&${body}`)
  const promql = parameters.get('query') ?? ''
  if (!place.endsWith('/query') || promql === '') return undefined
  const kind = promql.includes('duration') ? 'durations' : promql.includes('response_flags!~') ? 'mesh' : 'counts'
  return parameters.has('time') ? `${kind} then` : kind
}

type Answer = { readonly status?: string; readonly warnings?: readonly string[]; readonly data?: { readonly result?: readonly { readonly value?: readonly [number, string] }[] } }

/** A counter that is no number, a warning, a page of a proxy: none of them says anything. */
export function verdictOf(status: number, text: string): Verdict {
  try {
    const { status: said, warnings = [], data } = JSON.parse(text) as Answer
    const values = data?.result?.map(({ value }) => Number(value?.[1]))
    if (status !== 200 || said !== 'success' || warnings.length > 0 || values === undefined) return 'error'
    return values.length === 0 ? 'empty' : values.every((value) => Number.isFinite(value) && value >= 0) ? 'value' : 'error'
  } catch {
    return 'error'
  }
}
