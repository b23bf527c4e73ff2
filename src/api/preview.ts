import { atomic, fields } from './collection.ts'
import { httpMatchSchema } from './match.ts'
import { ruled } from './rule.ts'
import { label } from './scalar.ts'

/** Ways to the canary for tests, before and beside the users' own. */
export const previewSchema = ruled(fields({
  service: label().describe('Name of a Service that Serin makes: it leads to the canary, else to stable. It must not exist already.').optional(),
  match: atomic(httpMatchSchema, 1, 10).describe('Requests that reach the canary in every step, from its first ready pod on.').optional(),
}), [{
  cel: 'has(self.service) || has(self.match)',
  message: 'must have service, match or both',
  holds: ({ service, match }) => service !== undefined || match !== undefined,
}])
