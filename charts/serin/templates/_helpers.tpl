{{- define "serin.name" -}}
{{- if contains "serin" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-serin" (.Release.Name | trunc 44 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "serin.selector" -}}
app.kubernetes.io/name: serin
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "serin.labels" -}}
{{ include "serin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: serin
{{- end }}

{{- define "serin.metadata" -}}
name: {{ include "serin.name" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "serin.labels" . | nindent 2 }}
{{- end }}

{{- define "serin.port" -}}8080{{- end }}

{{- define "serin.subjects" -}}
- kind: ServiceAccount
  name: {{ include "serin.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- /* What is read of every namespace, whatever is watched: a rule or route elsewhere decides here too. */}}
{{- define "serin.clusterRules" -}}
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  resourceNames: [canaries.serin.dev]
  verbs: [get]
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
  verbs: [list, watch]
- apiGroups: [serin.dev]
  resources: [canaries/status]
  verbs: [patch]
- apiGroups: [apps]
  resources: [deployments]
  verbs: [get, list, watch, patch]
- apiGroups: [""]
  resources: [pods, services]
  verbs: [list, watch]
- apiGroups: [networking.istio.io]
  resources: [virtualservices]
  verbs: [get, create, patch, delete]
- apiGroups: [networking.istio.io]
  resources: [destinationrules]
  verbs: [get, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
