import type { KubeObject } from './objects.ts'
import { badRequest, tooOldPage } from './refusals.ts'

/** What is left of a list, as it was when its first page was read. */
type Rest = { readonly objects: readonly KubeObject[]; readonly version: number }

/** One page of a list; `next` is the token of the following one. */
export type Page = Rest & { readonly next: string | undefined }

const kept = 1000

/** Lists that are read by pages. */
export class Pages {
  readonly #rests = new Map<string, Rest>()
  #count = 0

  /** The first `limit` objects of a list, or of what `token` stands for; refuses a token that is none (400) or too old (410). */
  page(token: string | null, limit: number, list: () => Rest): Page {
    const { objects, version } = token === null ? list() : this.#rest(token)
    if (limit <= 0 || objects.length <= limit) return { objects, version, next: undefined }
    const next = `page-${++this.#count}`
    this.#rests.set(next, { objects: objects.slice(limit), version })
    this.#rests.delete(`page-${this.#count - kept}`)
    return { objects: objects.slice(0, limit), version, next }
  }

  /** Every list that is being read has to begin anew. */
  forget(): void {
    this.#rests.clear()
  }

  #rest(token: string): Rest {
    const rest = this.#rests.get(token)
    if (rest !== undefined) return rest
    throw /^page-\d+$/.test(token) ? tooOldPage() : badRequest('continue key is not valid')
  }
}
