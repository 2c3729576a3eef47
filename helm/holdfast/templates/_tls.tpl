{{/* Certificates: who has which, and where a pod finds it. */}}

{{/* Not empty: the nodes have certificates. */}}
{{- define "holdfast.secure" -}}
{{- if ne .Values.tls.nodes.from "none" }}true{{ end }}
{{- end }}

{{/* Not empty: the processor's door has one of its own. */}}
{{- define "holdfast.jitOwn" -}}
{{- if has .Values.tls.jit.from (list "certManager" "existing") }}true{{ end }}
{{- end }}

{{/* Not empty: the processor's door speaks TLS. */}}
{{- define "holdfast.jitSecure" -}}
{{- if ne .Values.tls.jit.from "none" }}true{{ end }}
{{- end }}

{{- define "holdfast.jitSecret" -}}
{{- default (printf "%s-jit-tls" (include "holdfast.fullname" .)) .Values.tls.jit.secretName }}
{{- end }}

{{/* The Secret of the node with the number `id`. */}}
{{- define "holdfast.nodeSecret" -}}
{{- printf "%s-%d" (default (printf "%s-tls" (include "holdfast.fullname" .root)) .root.Values.tls.nodes.secretName) (int .id) }}
{{- end }}

{{- define "holdfast.clusterName" -}}
{{- default (include "holdfast.fullname" .) .Values.cluster.name }}
{{- end }}

{{/* A service's names inside, as a list in JSON. */}}
{{- define "holdfast.serviceNames" -}}
{{- $service := .service }}
{{- $namespace := .root.Release.Namespace }}
{{- list (printf "%s.%s.svc.%s" $service $namespace .root.Values.clusterDomain) (printf "%s.%s.svc" $service $namespace) (printf "%s.%s" $service $namespace) $service | toJson }}
{{- end }}

{{/* Every name at which others than nodes call a node, as a list in JSON. */}}
{{- define "holdfast.nodeNames" -}}
{{- $fullname := include "holdfast.fullname" . }}
{{- $names := include "holdfast.serviceNames" (dict "root" . "service" (printf "%s-admin" $fullname)) | fromJsonArray }}
{{- if eq .Values.tls.jit.from "nodes" }}
{{- $own := default (include "holdfast.serviceNames" (dict "root" . "service" $fullname) | fromJsonArray) .Values.tls.jit.dnsNames }}
{{- $names = concat $names $own }}
{{- end }}
{{- if .Values.issuer.enabled }}
{{- $names = concat $names (include "holdfast.serviceNames" (dict "root" . "service" (printf "%s-issuer" $fullname)) | fromJsonArray) }}
{{- end }}
{{- concat $names .Values.tls.nodes.dnsNames (list "localhost") | uniq | toJson }}
{{- end }}

{{/* `[tls]`. A pod whose files lie elsewhere says so by its environment. */}}
{{- define "holdfast.tlsConfig" -}}
{{- $secure := include "holdfast.secure" . }}
[tls]
{{- if $secure }}
certificate = "/run/holdfast/tls/tls.crt"
key = "/run/holdfast/tls/tls.key"
ca = "/run/holdfast/tls/ca.crt"
{{- else }}
insecure = true
{{- end }}
{{- if include "holdfast.jitOwn" . }}

[tls.jit]
certificate = "/run/holdfast/jit/tls.crt"
key = "/run/holdfast/jit/tls.key"
{{- if .Values.tls.jit.clientCaSecret }}
ca = "/run/holdfast/jit-callers/ca.crt"
{{- end }}
{{- else if and $secure (eq .Values.tls.jit.from "none") }}

[tls.jit]
insecure = true
{{- else if .Values.tls.jit.clientCaSecret }}

[tls.jit]
ca = "/run/holdfast/jit-callers/ca.crt"
{{- end }}
{{- if and $secure (not .Values.tls.nodes.adminHttp) }}

[tls.admin_http]
insecure = true
{{- end }}
{{- end }}

{{/* `[admin]`: who is known by a certificate. */}}
{{- define "holdfast.operators" -}}
{{- $secure := include "holdfast.secure" . }}
{{- $named := .Values.admin.certificates }}
{{- if and $secure (ne .Values.admin.execRole "none") }}
{{- range $id := untilStep 1 8 1 }}
{{- $name := printf "holdfast://%s/%s" (include "holdfast.clusterName" $) (include "holdfast.host" (dict "root" $ "id" $id)) }}
{{- $named = append $named (dict "name" $name "role" $.Values.admin.execRole) }}
{{- end }}
{{- end }}
{{- if and $secure (or .Values.backup.enabled .Values.cluster.promote) }}
{{- $named = append $named (dict "name" (include "holdfast.operatorName" .) "role" "operator") }}
{{- end }}
{{- with $named }}

[admin]
certificates = {{ include "holdfast.toml" . }}
{{- end }}
{{- end }}

{{/* Where a node's own files are, and what `ctl` in its pod comes with. */}}
{{- define "holdfast.tlsEnv" -}}
{{- if include "holdfast.secure" . }}
{{- $dir := ternary "/run/holdfast/tls" "/run/holdfast/tls/$(POD_NAME)" (eq .Values.tls.nodes.from "csi") }}
{{- range $key, $file := dict "CERTIFICATE" "tls.crt" "KEY" "tls.key" "CA" "ca.crt" }}
- name: HOLDFAST__TLS__{{ $key }}
  value: {{ $dir }}/{{ $file }}
{{- end }}
{{- range $key, $file := dict "CERT" "tls.crt" "CERT_KEY" "tls.key" "CA" "ca.crt" }}
- name: HOLDFAST_{{ $key }}
  value: {{ $dir }}/{{ $file }}
{{- end }}
- name: HOLDFAST_ENDPOINTS
  value: $(POD_NAME).{{ include "holdfast.peers" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:9541
{{- end }}
{{- end }}

{{- define "holdfast.tlsMounts" -}}
{{- if include "holdfast.secure" . }}
- name: tls
  mountPath: /run/holdfast/tls
  readOnly: true
{{- end }}
{{- if include "holdfast.jitOwn" . }}
- name: jit-tls
  mountPath: /run/holdfast/jit
  readOnly: true
{{- end }}
{{- if .Values.tls.jit.clientCaSecret }}
- name: jit-callers
  mountPath: /run/holdfast/jit-callers
  readOnly: true
{{- end }}
{{- end }}

{{/* The same for whatever number of nodes, so that another number restarts none of them. */}}
{{- define "holdfast.tlsVolumes" -}}
{{- $nodes := .Values.tls.nodes }}
{{- if eq $nodes.from "csi" }}
{{- $host := printf "${POD_NAME}.%s.%s.svc.%s" (include "holdfast.peers" .) .Release.Namespace .Values.clusterDomain }}
- name: tls
  csi:
    driver: csi.cert-manager.io
    readOnly: true
    volumeAttributes:
      csi.cert-manager.io/issuer-name: {{ $nodes.issuer.name }}
      csi.cert-manager.io/issuer-kind: {{ $nodes.issuer.kind }}
      csi.cert-manager.io/issuer-group: {{ $nodes.issuer.group }}
      csi.cert-manager.io/uri-sans: holdfast://{{ include "holdfast.clusterName" . }}/{{ $host }}
      csi.cert-manager.io/dns-names: {{ prepend (include "holdfast.nodeNames" . | fromJsonArray) $host | join "," }}
      csi.cert-manager.io/key-usages: digital signature,key encipherment,server auth,client auth
      csi.cert-manager.io/duration: {{ $nodes.duration }}
      csi.cert-manager.io/renew-before: {{ $nodes.renewBefore }}
      {{- with .Values.podSecurityContext.fsGroup }}
      csi.cert-manager.io/fs-group: {{ . | quote }}
      {{- end }}
{{- else if ne $nodes.from "none" }}
- name: tls
  projected:
    defaultMode: 0440
    sources:
      {{- range $id := untilStep 1 8 1 }}
      - secret:
          name: {{ include "holdfast.nodeSecret" (dict "root" $ "id" $id) }}
          # A node without its own says so; it does not keep the others.
          optional: true
          items:
            {{- range $file := list "tls.crt" "tls.key" "ca.crt" }}
            - key: {{ $file }}
              path: {{ include "holdfast.fullname" $ }}-{{ $id }}/{{ $file }}
            {{- end }}
      {{- end }}
{{- end }}
{{- if include "holdfast.jitOwn" . }}
- name: jit-tls
  secret:
    secretName: {{ include "holdfast.jitSecret" . }}
    defaultMode: 0440
{{- end }}
{{- with .Values.tls.jit.clientCaSecret }}
- name: jit-callers
  secret:
    secretName: {{ . }}
    items:
      - key: ca.crt
        path: ca.crt
{{- end }}
{{- end }}
