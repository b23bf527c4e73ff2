import { appendFileSync, closeSync, openSync, writeFileSync, writeSync } from 'node:fs'

/**
 * A hosts file that pods have mounted, and which programs read at any moment. What is mounted is its inode, so that it
 * cannot be replaced; and it is never empty for a moment, as a name that is not found is asked of a resolver that is
 * not there, for ten seconds. So lines are appended, and those that no longer hold are made comments, a byte each.
 */
export class HostsFile {
  readonly path: string
  #size = 0
  /** Where each line that holds begins. */
  readonly #offsets = new Map<string, number>()

  constructor(path: string, lines: readonly string[]) {
    this.path = path
    writeFileSync(path, '')
    this.update(lines)
  }

  update(lines: readonly string[]): void {
    const wanted = new Set(lines)
    this.#retire([...this.#offsets.keys()].filter((line) => !wanted.has(line)))
    const added = [...wanted].filter((line) => !this.#offsets.has(line))
    if (added.length === 0) return
    appendFileSync(this.path, added.map((line) => `${line}\n`).join(''))
    for (const line of added) {
      this.#offsets.set(line, this.#size)
      this.#size += Buffer.byteLength(line) + 1
    }
  }

  #retire(lines: readonly string[]): void {
    if (lines.length === 0) return
    const file = openSync(this.path, 'r+')
    for (const line of lines) {
      writeSync(file, '#', this.#offsets.get(line))
      this.#offsets.delete(line)
    }
    closeSync(file)
  }
}
