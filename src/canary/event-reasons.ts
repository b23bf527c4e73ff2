/**
 * Every reason that an event of a Canary may have, and its type. Nothing else can be told: a reason that is not here
 * does not compile. What each means, and what to do then: docs/reference/events.md.
 */
export const EVENT_TYPES = {
  // A release, from its beginning to its end.
  Adopted: 'Normal',
  RolloutStarted: 'Normal',
  Dark: 'Normal',
  ScaledUp: 'Normal',
  StepStarted: 'Normal',
  StepsEdited: 'Normal',
  Promoting: 'Normal',
  Promoted: 'Normal',
  RouteToStable: 'Normal',
  Superseded: 'Normal',
  Reverted: 'Normal',
  RolledBack: 'Warning',
  ScaledDown: 'Normal',
  WindowClosed: 'Normal',
  WaitingForSlot: 'Normal',
  ExposureEdited: 'Normal',
  // Tests of a version that users do not meet yet.
  PreviewOpened: 'Normal',
  PreviewClosed: 'Normal',
  PreviewMoved: 'Normal',
  // What people asked for.
  ApprovalRequired: 'Normal',
  Approved: 'Normal',
  StepSkipped: 'Normal',
  StepsSkipped: 'Normal',
  AnalysisSkipped: 'Normal',
  Paused: 'Normal',
  Resumed: 'Normal',
  Aborted: 'Warning',
  Retried: 'Normal',
  // A plain Deployment and its revisions.
  Adopting: 'Normal',
  RevisionMade: 'Normal',
  RevisionRemade: 'Normal',
  Restarted: 'Normal',
  ConfigChanged: 'Normal',
  SizeTakenOver: 'Normal',
  StableScaled: 'Normal',
  TargetScaledDown: 'Normal',
  // The Canary is deleted.
  Restoring: 'Normal',
  Restored: 'Normal',
  NotRestored: 'Warning',
  // What others changed was mended.
  OwnRouteCreated: 'Warning',
  DelegateCreated: 'Normal',
  DelegateRestored: 'Warning',
  RoutePinned: 'Normal',
  RouteRepaired: 'Warning',
  RuleRepaired: 'Warning',
  StableRestored: 'Normal',
  // Degraded: it goes on, and somebody should look.
  DarkPodsReached: 'Warning',
  NoStableEndpoint: 'Warning',
  PrometheusBlind: 'Warning',
  StableChangedInPlace: 'Warning',
  // Stalled: only a change by somebody helps.
  AlreadyManaged: 'Warning',
  InvalidSpec: 'Warning',
  InvariantViolation: 'Warning',
  NoStable: 'Warning',
  ReplicasContested: 'Warning',
  RouteContested: 'Warning',
  TargetAtZero: 'Warning',
  TargetNotFound: 'Warning',
  VersionNotFound: 'Warning',
  WriteRefused: 'Warning',
  // Stalled, or at rest Degraded: what stands in the mesh forbids a release.
  AmbientMode: 'Warning',
  BroaderRuleWithSubsets: 'Warning',
  ConfigNotFound: 'Warning',
  ConfigUnreadable: 'Warning',
  DelegateRoute: 'Warning',
  DuplicateRoute: 'Warning',
  DuplicateVersion: 'Warning',
  ExportToNarrower: 'Warning',
  ForeignEndpoints: 'Warning',
  HeadlessService: 'Warning',
  HTTPRoute: 'Warning',
  MirrorWithoutSubset: 'Warning',
  NameTaken: 'Warning',
  NonHttpPort: 'Warning',
  NoWeight: 'Warning',
  PortUnnamed: 'Warning',
  PreviewServiceTaken: 'Warning',
  RootMirrors: 'Warning',
  RouteInOtherNamespace: 'Warning',
  RouteNotFound: 'Warning',
  RouteOfAnotherCanary: 'Warning',
  RuleExportTo: 'Warning',
  RuleInCallersNamespace: 'Warning',
  RuleWorkloadSelector: 'Warning',
  ScalerOnTarget: 'Warning',
  SecondVirtualService: 'Warning',
  SelectorExcludesVersions: 'Warning',
  SecretsNotTracked: 'Warning',
  ServiceNotFound: 'Warning',
  TcpOrTlsRoute: 'Warning',
  TooManyConfigs: 'Warning',
  TooManyRoutes: 'Warning',
  TooManyVersions: 'Warning',
  UnlistedRoute: 'Warning',
  UnmatchableProduct: 'Warning',
} as const satisfies Readonly<Record<string, 'Normal' | 'Warning'>>

/** A reason of the list. */
export type EventReason = keyof typeof EVENT_TYPES

/** Those of one type. */
export type ReasonOf<T extends 'Normal' | 'Warning'> = { [R in EventReason]: (typeof EVENT_TYPES)[R] extends T ? R : never }[EventReason]

/** Whether a text, such as a condition's reason, is one of the list. */
export const isEventReason = (text: string): text is EventReason => Object.hasOwn(EVENT_TYPES, text)
