import * as z from 'zod'
import { fields, mapped } from './collection.ts'
import { ruled } from './rule.ts'
import { label, labelKey, labelValue, text } from './scalar.ts'

/** Exactly one way to compare a text. Regular expressions are Envoy's (RE2); Serin never runs them. */
export const stringMatchSchema = fields({
  exact: z.string().max(1024).describe('The whole text.').optional(),
  prefix: z.string().min(1).max(1024).describe('What the text begins with.').optional(),
  regex: z.string().min(1).max(1024).describe('An RE2 regular expression for the whole text.').optional(),
})
  .refine((match) => Object.keys(match).length === 1, 'must have exactly one of exact, prefix, regex')
  .meta({ minProperties: 1, maxProperties: 1 })

// Istio does not read these four as headers: such a condition would match every request.
const notHeaders = ['uri', 'scheme', 'method', 'authority']

const headerName = text(/^[!#$%&'*+.^_`|~0-9a-z-]+$/, 256, 'must be a header name in lower case, such as "x-tester"')
  .refine((name) => !notHeaders.includes(name), 'is not a header to Istio: write the field uri or method instead')

const parameterName = z.string().min(1).max(256)

/** The name of a cookie: an RFC 6265 token. */
export const cookieName = () => text(/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/, 64, 'must be a cookie name, such as "beta" or "serin-revision"')

const claimError = 'must be the path of a claim, such as "groups", "realm.role" or "[https://shop.example/role]"'
const claimName = text(/^([A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|(\[[^[\]]+\])+)$/, 256, claimError)

const conditions = (key: z.ZodType<string, string>) => mapped(key, stringMatchSchema, 0, 16)

/** Conditions on one request, all of which hold. */
export const httpMatchSchema = ruled(fields({
  headers: conditions(headerName).describe('Conditions on headers, by name in lower case.').optional(),
  withoutHeaders: conditions(headerName).describe('Conditions on headers that must not hold.').optional(),
  cookies: conditions(cookieName()).describe('Condition on one cookie, by name; a regex is for its value alone.').optional(),
  claims: conditions(claimName).describe('Conditions on claims of a verified JWT, by path; at gateways only.').optional(),
  queryParams: conditions(parameterName).describe('Conditions on query parameters, by name.').optional(),
  uri: stringMatchSchema.describe('Condition on the path.').optional(),
  method: stringMatchSchema.describe('Condition on the HTTP method.').optional(),
  sourceLabels: mapped(labelKey(), labelValue(), 0, 16).describe("Labels of the caller's pod.").optional(),
  sourceNamespace: label().describe("Namespace of the caller's pod.").optional(),
})
  .refine((match) => Object.keys(match).length > 0, 'must have a condition; to match every request write uri: {prefix: /}')
  .meta({ minProperties: 1 }), [{
  cel: "(has(self.cookies) ? size(self.cookies) : 0) + (has(self.headers) && 'cookie' in self.headers ? 1 : 0) <= 1",
  message: 'must name one cookie, and none beside headers.cookie: to Istio all cookies are one header, which can be compared once',
  holds: ({ cookies = {}, headers = {} }) => Object.keys(cookies).length + Number(Object.hasOwn(headers, 'cookie')) <= 1,
  path: 'cookies',
}])
