/** One HTTP request, relative to the transport's base URL. */
export type TransportRequest = {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query, starting with "/". */
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Deadline until the response's headers (and, for `text`, its body) are in, milliseconds. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** A response whose headers are in. Read the body once: whole with `text`, or line by line with `lines`. */
export type TransportResponse = {
  readonly status: number
  /** Header names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly text: () => Promise<string>
  /** Newline-delimited chunks as they arrive; throws on a broken connection, ends on a clean close. No deadline. */
  readonly lines: () => AsyncIterable<string>
}

/** The only way out of the process: to an API server or to Prometheus. Rejects with an Error on anything but a response. */
export type Transport = (request: TransportRequest) => Promise<TransportResponse>
