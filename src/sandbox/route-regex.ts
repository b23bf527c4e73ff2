/**
 * An RE2 pattern that must match the whole value, as Envoy and Prometheus read theirs. Leading flags such as `(?i)` are
 * understood; throws a SyntaxError where JavaScript cannot read the rest.
 */
export function anchoredRegex(pattern: string): RegExp {
  const [, flags = '', rest = pattern] = /^\(\?([ims]+)\)(.*)$/s.exec(pattern) ?? []
  const unicode = /\\p/i.test(rest) ? 'u' : ''
  return new RegExp(`^(?:${rest.replaceAll('(?P<', '(?<')})$`, flags + unicode)
}
