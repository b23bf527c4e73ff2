import { jsonOf, labelsOf, listOf, textOf, textsOf, type Json } from '../istio/json.ts'

/** A Deployment's selector as one text, as the status of a scale holds it. */
export function selectorText(selector: unknown): string {
  const { matchLabels, matchExpressions } = jsonOf(selector)
  const equal = Object.entries(labelsOf(matchLabels)).map(([key, value]) => `${key}=${value}`)
  return [...equal, ...listOf(matchExpressions).map(requirementText)].join(',')
}

function requirementText({ key, operator, values }: Json): string {
  const [name, listed] = [textOf(key) ?? '', textsOf(values).join(',')]
  switch (operator) {
    case 'In':
      return `${name} in (${listed})`
    case 'NotIn':
      return `${name} notin (${listed})`
    case 'DoesNotExist':
      return `!${name}`
    default:
      return name
  }
}
