import { type DestinationStream, type Logger, pino, stdTimeFunctions } from 'pino'

/** Structured logging; children carry their bindings. */
export type Log = Logger

/** How much is logged, least first at the end. */
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

const REDACTED = ['authorization', 'Authorization', 'token', 'password', 'secret'].flatMap((field) => [
  field,
  `*.${field}`,
  `*.*.${field}`,
])

/** The fields of errors that help; anything else stays out, since HTTP clients hang the request's headers there. */
const ERROR_FIELDS = ['code', 'status', 'reason', 'resource', 'key'] as const

type SerializedError = Readonly<Record<string, unknown>>

const serializeError = (error: unknown, depth = 0): SerializedError => {
  if (!(error instanceof Error)) return { message: String(error) }
  const fields = ERROR_FIELDS.filter((field) => field in error).map((field) => [field, Reflect.get(error, field)])
  const cause = error.cause === undefined || depth > 4 ? {} : { cause: serializeError(error.cause, depth + 1) }
  return { type: error.name, message: error.message, ...Object.fromEntries(fields), stack: error.stack, ...cause }
}

/** JSON lines with the level as text and ISO time; written synchronously, so that nothing is lost at exit. */
export const createLog = (options: { readonly level: LogLevel; readonly destination?: DestinationStream }): Log => {
  const settings = {
    level: options.level,
    base: {},
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
    serializers: { err: (error: unknown) => serializeError(error) },
    redact: REDACTED,
  }
  return options.destination === undefined ? pino(settings) : pino(settings, options.destination)
}
