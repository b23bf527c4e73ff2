import type { KubeObject } from './object.ts'

/** One page of a list; `next` asks for the following one and is missing on the last. */
export type ListPage = {
  readonly items: readonly KubeObject[]
  readonly resourceVersion: string
  readonly next?: string
}

/** One change seen by a watch. A bookmark only says how far the watch has come. */
export type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubeObject }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string }

/** Where a watch starts, and after how long the server is asked to end it. */
export type WatchFrom = {
  readonly resourceVersion: string
  readonly timeoutMs: number
}

/**
 * One resource of an API server, as a reflector reads it. Failures are Errors that carry the HTTP `status` where there
 * was one: 410 is a version too old to go on from, also in the middle of a list or a watch; 404 is a resource not served.
 */
export type ListWatch = {
  readonly list: (next: string | undefined, signal: AbortSignal) => Promise<ListPage>
  readonly watch: (from: WatchFrom, signal: AbortSignal) => AsyncIterable<WatchEvent>
}
