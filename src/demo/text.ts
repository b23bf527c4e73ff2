/** What a piece of text is about; a theme gives it a colour, or none. */
export type Tone = 'plain' | 'bold' | 'dim' | 'good' | 'warn' | 'bad' | 'goodBadge' | 'warnBadge' | 'badBadge'

/** Text in one tone. */
export type Span = readonly [tone: Tone, text: string]

/** One line of a screen. */
export type Line = readonly Span[]

const SGR: Readonly<Record<Tone, string>> = {
  plain: '', bold: '1', dim: '90', good: '32', warn: '33', bad: '31', goodBadge: '1;7;32', warnBadge: '1;7;33', badBadge: '1;7;31',
}

const WIDE = /\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u

const cells = (character: string): number => (/^[\p{Mn}\p{Cf}]$/u.test(character) ? 0 : WIDE.test(character) ? 2 : 1)

/** Columns that the text takes on a terminal. */
export function widthOf(text: string): number {
  let width = 0
  for (const character of text) width += cells(character)
  return width
}

/** Columns that the line takes. */
export const lineWidth = (line: Line): number => line.reduce((sum, [, text]) => sum + widthOf(text), 0)

/** The text in at most `columns`, with an ellipsis where it is cut. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text
  let kept = ''
  let left = columns - 1
  for (const character of text) {
    left -= cells(character)
    if (left < 0) break
    kept += character
  }
  return columns <= 0 ? '' : `${kept.trimEnd()}…`
}

/** The line in exactly `columns`, cut or filled with blanks. */
export function fit(line: Line, columns: number): Line {
  const kept: Span[] = []
  let left = columns
  for (const [tone, text] of line) {
    const shown = cut(text, left)
    if (shown !== '') kept.push([tone, shown])
    left -= widthOf(shown)
    if (shown !== text) break
  }
  return left > 0 ? [...kept, ['plain', ' '.repeat(left)]] : kept
}

/** Two lines in one of `columns`, the second at its right end. */
export const spread = (left: Line, right: Line, columns: number): Line => [...fit(left, Math.max(0, columns - lineWidth(right))), ...right]

/** The text in `columns`, at their left or right end. */
export const start = (text: string, columns: number): string => cut(text, columns) + ' '.repeat(Math.max(0, columns - widthOf(text)))
export const end = (text: string, columns: number): string => ' '.repeat(Math.max(0, columns - widthOf(text))) + cut(text, columns)

/** The text in lines of at most `columns`, broken between words; a longer word is cut. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last !== undefined && widthOf(last) + 1 + widthOf(word) <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(cut(word, columns))
  }
  return lines
}

/** The line as a terminal shows it. Without colour a badge stands in brackets, and there is no escape byte. */
export const paint = (line: Line, color: boolean): string => line.map(color ? colored : plain).join('').trimEnd()

const plain = ([tone, text]: Span): string => (tone.endsWith('Badge') ? `[${text.slice(1, -1)}]` : text)

const colored = ([tone, text]: Span): string => (SGR[tone] === '' || text.trim() === '' ? text : `\u001B[${SGR[tone]}m${text}\u001B[0m`)

const EIGHTHS = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar of `share` (0 to 1) of `columns`, filled up with blanks; never empty for more than nothing. */
export function bar(share: number, columns: number): string {
  const eighths = share <= 0 ? 0 : Math.max(1, Math.round(Math.min(1, share) * columns * 8))
  const full = '█'.repeat(Math.floor(eighths / 8))
  return start(eighths % 8 === 0 ? full : `${full}${EIGHTHS[eighths % 8] ?? ''}`, columns)
}

/** 6521 → "6,521". */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',')

/** 0.00046 → "0.05%"; three digits at most. */
export const percent = (share: number): string => `${(share * 100).toFixed(share >= 0.995 ? 0 : share >= 0.0995 ? 1 : 2)}%`

/** 61_234 → "61.2s". */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)}s`
