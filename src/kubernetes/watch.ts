import type { WatchEvent } from '../runtime/list-watch.ts'
import { type Attempt, KubernetesError } from './errors.ts'
import { failureOf, isObject, parseKubeObject, parseObject } from './status.ts'

/** Reads the frames of a watch; an ERROR frame is thrown as the refusal it is, a cut or foreign frame as an Error. */
export async function* watchEvents(lines: AsyncIterable<string>, attempt: Attempt): AsyncGenerator<WatchEvent, void, undefined> {
  for await (const line of lines) {
    if (line.trim() !== '') yield parseFrame(line, attempt)
  }
}

const parseFrame = (line: string, attempt: Attempt): WatchEvent => {
  const { type, object } = parseObject(line)
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: parseKubeObject(object) }
    case 'BOOKMARK':
      return { type, resourceVersion: bookmarkVersion(object) }
    case 'ERROR':
      throw new KubernetesError(attempt, failureOf(isObject(object) ? object : {}, 500))
    default:
      throw new Error(`a watch frame of unknown type ${String(type)}`)
  }
}

const bookmarkVersion = (object: unknown): string => {
  const metadata = isObject(object) ? object['metadata'] : undefined
  const resourceVersion = isObject(metadata) ? metadata['resourceVersion'] : undefined
  if (typeof resourceVersion !== 'string') throw new Error('a bookmark without resourceVersion')
  return resourceVersion
}
