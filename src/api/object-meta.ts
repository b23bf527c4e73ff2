import * as z from 'zod'

const strings = z.record(z.string(), z.string())

/** The part of metav1.ObjectMeta that Serin reads; what it does not name is left behind when a Canary is parsed. */
export const objectMetaSchema = z.object({
  name: z.string(),
  namespace: z.string(),
  uid: z.string().optional(),
  resourceVersion: z.string().optional(),
  generation: z.int().optional(),
  labels: strings.optional(),
  annotations: strings.optional(),
  finalizers: z.array(z.string()).optional(),
  creationTimestamp: z.string().optional(),
  deletionTimestamp: z.string().optional(),
})

/** Name, namespace, identity and version of an object. Timestamps are RFC 3339 strings. */
export type ObjectMeta = Frozen<z.output<typeof objectMetaSchema>>

/** T with every member, at any depth, readonly. */
export type Frozen<T> = T extends object ? { readonly [K in keyof T]: Frozen<T[K]> } : T
