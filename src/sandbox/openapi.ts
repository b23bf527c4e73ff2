import type { Kinds } from './kinds.ts'
import type { ApiAnswer } from './requests.ts'

/** Answers the OpenAPI v3 paths; undefined for every other path. */
export const openApi = async (_kinds: Kinds, _pathname: string): Promise<ApiAnswer | undefined> => undefined
