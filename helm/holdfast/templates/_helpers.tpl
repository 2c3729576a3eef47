{{/* Names. A StatefulSet's pods carry its name and a hash of 10 in a label of at most 63 characters: hence 52. */}}
{{- define "holdfast.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "holdfast.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holdfast.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* For ever: a StatefulSet's selector cannot be changed. */}}
{{- define "holdfast.selectorLabels" -}}
app.kubernetes.io/name: {{ include "holdfast.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: node
{{- end }}

{{/* Not a node: no service and no budget counts it. */}}
{{- define "holdfast.testLabels" -}}
app.kubernetes.io/name: {{ include "holdfast.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}

{{/* Nor is this. */}}
{{- define "holdfast.operatorLabels" -}}
app.kubernetes.io/name: {{ include "holdfast.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "holdfast.backupClaim" -}}
{{- default (printf "%s-backup" (include "holdfast.fullname" .)) .Values.backup.persistence.existingClaim }}
{{- end }}

{{- define "holdfast.operatorTls" -}}
{{- $own := printf "%s-operator-tls" (include "holdfast.fullname" .) }}
{{- ternary (default $own .Values.operator.tlsSecret) $own (eq .Values.tls.nodes.from "existing") }}
{{- end }}

{{/* By what the chart's jobs are known at the operators' interface. */}}
{{- define "holdfast.operatorName" -}}
{{- printf "%s-operator.%s.svc.%s" (include "holdfast.fullname" .) .Release.Namespace .Values.clusterDomain }}
{{- end }}

{{/* What a job that comes as an operator shows. */}}
{{- define "holdfast.callerEnv" -}}
{{- if include "holdfast.secure" . }}
- name: HOLDFAST_CA
  value: /run/holdfast/caller/ca.crt
- name: HOLDFAST_CERT
  value: /run/holdfast/caller/tls.crt
- name: HOLDFAST_CERT_KEY
  value: /run/holdfast/caller/tls.key
{{- else if .Values.operator.tokenSecret }}
- name: HOLDFAST_TOKEN_FILE
  value: /run/holdfast/caller/token
{{- end }}
{{- end }}

{{- define "holdfast.callerMount" -}}
{{- if or (include "holdfast.secure" .) .Values.operator.tokenSecret }}
- name: caller
  mountPath: /run/holdfast/caller
  readOnly: true
{{- end }}
{{- end }}

{{- define "holdfast.callerVolume" -}}
{{- if include "holdfast.secure" . }}
- name: caller
  secret:
    secretName: {{ include "holdfast.operatorTls" . }}
    defaultMode: 0440
{{- else if .Values.operator.tokenSecret }}
- name: caller
  secret:
    secretName: {{ .Values.operator.tokenSecret }}
    defaultMode: 0440
    items:
      - key: token
        path: token
{{- end }}
{{- end }}

{{- define "holdfast.commonLabels" -}}
helm.sh/chart: {{ include "holdfast.chart" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: holdfast
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "holdfast.labels" -}}
{{ include "holdfast.selectorLabels" . }}
{{ include "holdfast.commonLabels" . }}
{{- end }}

{{- define "holdfast.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "holdfast.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "holdfast.image" -}}
{{- $image := .Values.image }}
{{- $repository := $image.repository }}
{{- if $image.registry }}
{{- $repository = printf "%s/%s" $image.registry $image.repository }}
{{- end }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{- define "holdfast.credentials" -}}
{{- if and (not .Values.auth.programs) .Values.auth.existingSecret }}
{{- .Values.auth.existingSecret }}
{{- else }}
{{- printf "%s-credentials" (include "holdfast.fullname" .) }}
{{- end }}
{{- end }}

{{- define "holdfast.peers" -}}
{{- printf "%s-peers" (include "holdfast.fullname" .) }}
{{- end }}

{{/* How a pod is reached by the others: `<fullname>-N.<fullname>-peers.<namespace>.svc.<domain>`. */}}
{{- define "holdfast.host" -}}
{{- $root := .root }}
{{- printf "%s-%d.%s.%s.svc.%s" (include "holdfast.fullname" $root) (int .id) (include "holdfast.peers" $root) $root.Release.Namespace $root.Values.clusterDomain }}
{{- end }}

{{/* Where operators ask: all nodes. */}}
{{- define "holdfast.endpoints" -}}
{{- $all := list }}
{{- range $id := untilStep 1 (int (add (int .Values.replicas) 1)) 1 }}
{{- $all = append $all (printf "%s:9541" (include "holdfast.host" (dict "root" $ "id" $id))) }}
{{- end }}
{{- join "," $all }}
{{- end }}

{{/* With how many nodes the cluster was made: the static members. */}}
{{- define "holdfast.madeWith" -}}
{{- int (default .Values.replicas .Values.cluster.madeWith) }}
{{- end }}

{{/* What a pod may take to end: serve on until balancers have noticed, leave and drain (rounded up), hand over and close. */}}
{{- define "holdfast.graceSeconds" -}}
{{- $life := .Values.lifecycle }}
{{- $stop := .Values.config.shutdown }}
{{- $drain := int (ceil (divf (float64 (add $stop.leave_ms $stop.drain_ms)) 1000.0)) }}
{{- add (int $life.preStopSleepSeconds) $drain (int $life.closeSeconds) }}
{{- end }}

{{/* A value as TOML. Strings in JSON's quotes: both know the same escapes. */}}
{{- define "holdfast.toml" -}}
{{- if kindIs "bool" . }}{{ . }}
{{- else if kindIs "string" . }}{{ toRawJson . }}
{{- else if kindIs "slice" . }}[{{ range $place, $item := . }}{{ if $place }}, {{ end }}{{ include "holdfast.toml" $item }}{{ end }}]
{{- else if kindIs "map" . }}{ {{- $first := true }}{{ range $key, $item := . }}{{ if not $first }},{{ end }} {{ $key }} = {{ include "holdfast.toml" $item }}{{ $first = false }}{{ end }} }
{{- else }}{{ int64 . }}
{{- end }}
{{- end }}

{{/* Settings that come into force without a restart: those of docs/operating.md. */}}
{{- define "holdfast.again" -}}
{{- list "audit.interval_s" "log.level" "log.requests" "shutdown.leave_ms" "standin.available_percent" "standin.max_state_age_ms" "standin.per_account" "standin.per_account_count" "standin.per_node" "standin.per_transaction" "standin.policy" "standin.refuse" "standin.refuse_mccs" "standin.rules" "standin.total" | toJson }}
{{- end }}

{{/* The file that all nodes share. Who a node is, and the credentials, come by the environment. */}}
{{- define "holdfast.config" -}}
{{- include "holdfast.settings" . }}
{{ include "holdfast.tlsConfig" . }}
{{- with include "holdfast.operators" . }}
{{ . }}
{{- end }}
{{- include "holdfast.sections" (dict "root" . "leave" list) }}
{{- end }}

{{/* That part of it whose change needs a restart. */}}
{{- define "holdfast.restarting" -}}
{{- include "holdfast.settings" . }}
{{ include "holdfast.tlsConfig" . }}
{{- include "holdfast.sections" (dict "root" . "leave" (include "holdfast.again" . | fromJsonArray)) }}
{{- end }}

{{/* The sections of `config`, without the keys to be left out. */}}
{{- define "holdfast.sections" -}}
{{- $leave := .leave }}
{{- range $section, $keys := .root.Values.config }}
{{- $shown := dict }}
{{- range $key, $value := $keys }}
{{- if not (has (printf "%s.%s" $section $key) $leave) }}
{{- $_ := set $shown $key $value }}
{{- end }}
{{- end }}
{{- if $shown }}

[{{ $section }}]
{{- range $key, $value := $shown }}
{{ $key }} = {{ include "holdfast.toml" $value }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holdfast.settings" -}}
{{- $root := . -}}
[cluster]
name = {{ include "holdfast.toml" (include "holdfast.clusterName" .) }}
{{- with .Values.cluster.id }}
id = {{ include "holdfast.toml" . }}
{{- end }}
bootstrap = {{ .Values.cluster.bootstrap }}
members = [
{{- range $id := untilStep 1 (int (add (int (include "holdfast.madeWith" .)) 1)) 1 }}
{{- $host := include "holdfast.host" (dict "root" $root "id" $id) }}
    { id = {{ $id }}, peer = "{{ $host }}:7441", admin = "{{ $host }}:9541" },
{{- end }}
]
join = [
{{- range $id := untilStep 1 (int (add (int (include "holdfast.madeWith" .)) 1)) 1 }}
    "{{ include "holdfast.host" (dict "root" $root "id" $id) }}:7441",
{{- end }}
]

[listen]
jit = "{{ .Values.listenAddress }}:8441"
admin_http = "{{ .Values.listenAddress }}:9441"
admin_grpc = "{{ .Values.listenAddress }}:9541"
{{- if .Values.issuer.enabled }}
issuer = "{{ .Values.listenAddress }}:9641"
{{- end }}
peer = "{{ .Values.listenAddress }}:7441"

{{- end }}

{{/* Which lists of the credentials' Secret are in force, besides the programmes. */}}
{{- define "holdfast.adminTokens" -}}
{{- if or .Values.auth.adminTokens (has "admin_tokens" .Values.auth.existingKeys) }}true{{ end }}
{{- end }}

{{/* What a container needs to know which configuration is in force: the nodes', and the test's. */}}
{{- define "holdfast.env" -}}
- name: HOLDFAST__NODE__DATA_DIR
  value: /var/lib/holdfast/data
- name: HOLDFAST__NODE__LOG_DIR
  value: /var/lib/holdfast/log
- name: HOLDFAST__PROGRAMS
  value: file:/run/holdfast/credentials/programs
{{- if include "holdfast.adminTokens" . }}
- name: HOLDFAST__ADMIN__TOKENS
  value: file:/run/holdfast/credentials/admin_tokens
{{- end }}
{{- if .Values.issuer.enabled }}
- name: HOLDFAST__ISSUER__CREDENTIALS
  value: file:/run/holdfast/credentials/issuer
{{- end }}
{{- end }}

{{/* Who a node is; POD_NAME stands before all that is made of it. */}}
{{- define "holdfast.nodeEnv" -}}
{{- $domain := printf "%s.%s.svc.%s" (include "holdfast.peers" .) .Release.Namespace .Values.clusterDomain -}}
- name: HOLDFAST__NODE__ID
  valueFrom:
    fieldRef:
      fieldPath: metadata.labels['apps.kubernetes.io/pod-index']
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
- name: HOLDFAST__CLUSTER__ADVERTISE_PEER
  value: $(POD_NAME).{{ $domain }}:7441
- name: HOLDFAST__CLUSTER__ADVERTISE_ADMIN
  value: $(POD_NAME).{{ $domain }}:9541
{{ include "holdfast.env" . }}
{{- end }}

{{/* A mount, not variables: what changes in it is in force without a restart. */}}
{{- define "holdfast.credentialsVolume" -}}
- name: credentials
  secret:
    secretName: {{ include "holdfast.credentials" . }}
    defaultMode: 0440
{{- end }}

{{- define "holdfast.credentialsMount" -}}
- name: credentials
  mountPath: /run/holdfast/credentials
  readOnly: true
{{- end }}
