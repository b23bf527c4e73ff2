/** Annotation of a Deployment: the rollout that opened its revision. Outside the template, so it rolls nothing. */
export const STAMP = 'serin.dev/rollout'
/** Annotation of a Deployment that Serin makes: the target it is made of. */
export const TARGET = 'serin.dev/target'
/** The same: the Canary that made it. */
export const CANARY = 'serin.dev/canary'
/** The same: the hash of the pod template as it was written; another one says that somebody edited it, or that the server did. */
export const MADE = 'serin.dev/made'
/** The same: hashes of the ConfigMaps and Secrets that it was made with, by kind and name, as JSON; it names copies of them. */
export const CONFIG = 'serin.dev/config'
/** Annotation of a ConfigMap or Secret, by people: "true" has a mounted one tracked, "false" leaves it out. */
export const TRACK = 'serin.dev/track'
/** Annotation of the target: the size that was taken over from it last. */
export const TAKEN_OVER = 'serin.dev/replicas'
/** Annotation of stable's Deployment: its size when a rollout began, and which: "3 v2@2026-01-01T00:00:00.000Z". */
export const FLOOR = 'serin.dev/floor'
/** Annotation of a Deployment, by Kubernetes: how many templates its controller has seen. Source: k8s.io/kubernetes/pkg/controller/deployment/util, RevisionAnnotation. */
export const TEMPLATES_SEEN = 'deployment.kubernetes.io/revision'
