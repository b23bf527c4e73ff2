import * as z from 'zod'
import { fields, keyed } from './collection.ts'
import { cookieName } from './match.ts'
import { ruled } from './rule.ts'
import { duration, text } from './scalar.ts'

const attributeSchema = ruled(fields({
  name: text(/^[A-Za-z-]+$/, 64, 'must be the name of a cookie attribute, such as "SameSite"').describe('Name of the attribute.'),
  value: z.string().max(256).regex(/^[ -:<-~]*$/, 'must be printable ASCII without ";"').describe('Its value. Assumed: none.').optional(),
}), [{
  cel: "!(self.name.lowerAscii() in ['path', 'max-age', 'expires'])",
  message: 'has a field of its own: write path or ttl',
  holds: ({ name }) => !['path', 'max-age', 'expires'].includes(name.toLowerCase()),
  path: 'name',
}])

const cookieSchema = fields({
  name: cookieName().describe('Name of the cookie: one of its own for each Canary that a browser meets.'),
  ttl: duration('1m', '8784h').describe('How long the cookie lives in the browser.').default('24h'),
  path: text(/^\/[^;\s]*$/, 256, 'must be a path such as "/"').describe('Paths for which browsers send the cookie.').default('/'),
  attributes: keyed(attributeSchema, ['name'], 8).describe('Further attributes, such as SameSite and Secure.').optional(),
})

/** Users who stay with the version that they met, on both sides. */
export const sessionAffinitySchema = fields({
  cookie: cookieSchema.describe('The cookie by which a user is known again.'),
})
