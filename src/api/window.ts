import * as z from 'zod'
import { atomic, fields } from './collection.ts'
import { duration, text } from './scalar.ts'

const schedule = text(/^[^ ]+( [^ ]+){4,5}$/, 128, 'must be a cron expression of five or six fields, such as "0 9 * * 1-5"')
const timeZone = text(/^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+){0,2}$/, 64, 'must be a time zone such as "Europe/Berlin" or "UTC"')

const windowSchema = fields({
  kind: z.enum(['Allow', 'Deny']).describe('Allow: open while it lasts. Deny: closed while it lasts, whatever Allow says.'),
  schedule: schedule.describe('Cron expression for the times at which it begins; a day must match day of month and day of week.'),
  duration: duration('1m', '8784h').describe('How long it lasts, in elapsed time.'),
  timeZone: timeZone.describe('IANA name of the time zone of schedule. Assumed: UTC.').optional(),
})

/** When a release may begin and raise the canary's share; a rollback may always. */
export const windowsSchema = atomic(windowSchema, 0, 20)
