/** Annotation of a Deployment: the rollout that opened its revision. Outside the template, so it rolls nothing. */
export const STAMP = 'serin.dev/rollout'
/** Annotation of stable's Deployment: its size when a rollout began, and which: "3 v2@2026-01-01T00:00:00.000Z". */
export const FLOOR = 'serin.dev/floor'
