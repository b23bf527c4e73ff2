{{- define "serin.name" -}}
{{- if contains "serin" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-serin" (.Release.Name | trunc 44 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "serin.selector" -}}
app.kubernetes.io/name: serin
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "serin.labels" -}}
{{ include "serin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: serin
{{- end }}

{{- define "serin.metadata" -}}
name: {{ include "serin.name" . }}
namespace: {{ .Release.Namespace | quote }}
labels:
  {{- include "serin.labels" . | nindent 2 }}
{{- end }}

{{- define "serin.port" -}}8080{{- end }}

{{- define "serin.subjects" -}}
- kind: ServiceAccount
  name: {{ include "serin.name" . }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}

{{- /* What the operator takes for these flags where they are not given; lastWrites is what it takes at most between SIGTERM and giving the lease back. */}}
{{- define "serin.durations" -}}
requestTimeout: 5s
leaseDuration: 15s
renewDeadline: 10s
retryPeriod: 2s
lastWrites: 32s
{{- end }}

{{- define "serin.milliseconds" -}}
{{- $sum := 0 }}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 }}
{{- $size := get (dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1) (regexFind "[a-z]+" .) }}
{{- $sum = add $sum (mul (regexFind "[0-9]+" . | atoi) $size) }}
{{- end }}
{{- $sum }}
{{- end }}

{{- /* Refuses values that are right each for itself but not together: the operator would end at its start, or be killed at its end. */}}
{{- define "serin.check" -}}
{{- $text := merge dict (.Values.flags | default dict) (include "serin.durations" . | fromYaml) }}
{{- $ms := dict }}
{{- range $name := include "serin.durations" . | fromYaml | keys }}
{{- $_ := set $ms $name (include "serin.milliseconds" (get $text $name) | int64) }}
{{- end }}
{{- if not (or .Values.clusterRole .Values.watchNamespaces) }}
{{- fail "clusterRole: false does not do without watchNamespaces: write the namespaces to serve" }}
{{- end }}
{{- $spare := sub $ms.leaseDuration $ms.renewDeadline }}
{{- $stop := add $ms.lastWrites $ms.renewDeadline }}
{{- if eq $ms.retryPeriod 0 }}
{{- fail "flags.retryPeriod: write more than 0s" }}
{{- else if le (mul 10 $ms.renewDeadline) (mul 12 $ms.retryPeriod) }}
{{- fail (printf "flags.renewDeadline: %s does not do: write more than 1.2 times flags.retryPeriod, %s: there must be time for a second try" $text.renewDeadline $text.retryPeriod) }}
{{- else if le $spare 0 }}
{{- fail (printf "flags.leaseDuration: %s does not do: write more than flags.renewDeadline, %s: the leader must have given up when others take over" $text.leaseDuration $text.renewDeadline) }}
{{- else if gt $ms.requestTimeout $spare }}
{{- fail (printf "flags.requestTimeout: %s does not do: write at most flags.leaseDuration less flags.renewDeadline, %dms: no write may outlive the lease" $text.requestTimeout $spare) }}
{{- else if lt (mul 1000 .Values.terminationGracePeriodSeconds) $stop }}
{{- fail (printf "terminationGracePeriodSeconds: %d does not do: write at least %s for the last writes, and flags.renewDeadline, %s, to give the lease back" (int .Values.terminationGracePeriodSeconds) $text.lastWrites $text.renewDeadline) }}
{{- end }}
{{- end }}

{{- /* What is read of the whole cluster, whatever is watched. */}}
{{- define "serin.clusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [canaries.serin.dev, canaryactions.serin.dev]
  verbs: [get]
{{- end }}

{{- /* What is read of every namespace: a rule or route elsewhere decides here too. Without a ClusterRole, where Canaries are. */}}
{{- define "serin.routeRules" -}}
- apiGroups: [networking.istio.io]
  resources: [virtualservices, destinationrules]
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes]
  verbs: [list, watch]
{{- end }}

{{- /* What is read and written where Canaries are. */}}
{{- define "serin.namespaceRules" -}}
- apiGroups: [serin.dev]
  resources: [canaries]
  verbs: [get, list, watch, patch]
- apiGroups: [serin.dev]
  resources: [canaryactions]
  verbs: [list, watch, delete]
- apiGroups: [serin.dev]
  resources: [canaries/status, canaryactions/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch, create]
{{- if .Values.trackSecrets }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create]
{{- end }}
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, create, patch, delete]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
