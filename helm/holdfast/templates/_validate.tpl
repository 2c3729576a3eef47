{{/* What no schema can say in a sentence that helps. */}}
{{- define "holdfast.validate" -}}
{{- $replicas := int .Values.replicas }}
{{- if eq (mod $replicas 2) 0 }}
{{- fail (printf "replicas is %d: an even number of nodes needs as many for a quorum as the next odd one, and bears no more losses. Take 1, 3, 5 or 7." $replicas) }}
{{- end }}
{{- if or (lt $replicas 1) (gt $replicas 7) }}
{{- fail (printf "replicas is %d: take 1, 3, 5 or 7." $replicas) }}
{{- end }}
{{- $minority := div (sub $replicas 1) 2 }}
{{- $away := int .Values.podDisruptionBudget.maxUnavailable }}
{{- if and .Values.podDisruptionBudget.enabled (gt $replicas 1) (gt $away (int $minority)) }}
{{- fail (printf "podDisruptionBudget.maxUnavailable is %d: of %d nodes at most %d may be away, or there is no quorum." $away $replicas $minority) }}
{{- end }}
{{- $standin := .Values.config.standin }}
{{- $approves := eq (default "decline" $standin.policy) "approve" }}
{{- range default list $standin.rules }}
{{- if eq .policy "approve" }}{{- $approves = true }}{{- end }}
{{- end }}
{{- if $approves }}
{{- range $limit := list "per_transaction" "per_account" "per_account_count" "per_node" }}
{{- if not (hasKey $standin $limit) }}
{{- fail (printf "config.standin.policy or a rule is approve without config.standin.%s: approving without a quorum costs money, and there is no default for how much. Give per_transaction, per_account, per_account_count and per_node; docs/standin.md says what they bound." $limit) }}
{{- end }}
{{- end }}
{{- $sharing := len (default list $standin.nodes) | default (int (include "holdfast.madeWith" .)) }}
{{- if lt (int $standin.per_account_count) $sharing }}
{{- fail (printf "config.standin.per_account_count is %d: each of %d nodes uses its part of it, so it must be at least %d." (int $standin.per_account_count) $sharing $sharing) }}
{{- end }}
{{- end }}
{{- if and .Values.auth.programs .Values.auth.existingSecret }}
{{- fail "auth.programs and auth.existingSecret are both given: which of them holds the credentials?" }}
{{- end }}
{{- if and .Values.service.loadBalancerSourceRanges (ne .Values.service.type "LoadBalancer") }}
{{- fail (printf "service.loadBalancerSourceRanges is given, but service.type is %s: nothing would keep anybody out." .Values.service.type) }}
{{- end }}
{{- if and .Values.auth.existingKeys .Values.auth.programs }}
{{- fail "auth.existingKeys is about an existing Secret, but auth.programs makes the chart's own: give auth.adminTokens instead." }}
{{- end }}
{{- if and .Values.auth.issuer (not .Values.auth.programs) }}
{{- fail "auth.issuer goes into the Secret that auth.programs makes: put the credentials into yours as issuer and say auth.existingKeys={issuer}." }}
{{- end }}
{{- if and .Values.issuer.enabled (not .Values.auth.issuer) (not (has "issuer" .Values.auth.existingKeys)) }}
{{- fail "issuer.enabled without credentials: nobody could use it. Give auth.issuer, or put them into your Secret as issuer and say auth.existingKeys={issuer}." }}
{{- end }}
{{- if and (not .Values.issuer.enabled) (or .Values.auth.issuer (has "issuer" .Values.auth.existingKeys)) }}
{{- fail "auth.issuer or auth.existingKeys has credentials of the issuer's interface, but issuer.enabled is false: nothing would listen." }}
{{- end }}
{{- if and .Values.issuer.service.loadBalancerSourceRanges (ne .Values.issuer.service.type "LoadBalancer") }}
{{- fail (printf "issuer.service.loadBalancerSourceRanges is given, but issuer.service.type is %s: nothing would keep anybody out." .Values.issuer.service.type) }}
{{- end }}
{{- if and .Values.auth.adminTokens (not .Values.auth.programs) }}
{{- fail "auth.adminTokens goes into the Secret that auth.programs makes: put the tokens into yours as admin_tokens and say auth.existingKeys={admin_tokens}." }}
{{- end }}
{{- include "holdfast.validateTls" . }}
{{- include "holdfast.validateBackup" . }}
{{- $made := lookup "apps/v1" "StatefulSet" .Release.Namespace (include "holdfast.fullname" .) }}
{{- if $made }}
{{- $before := dig "metadata" "annotations" "holdfast/members" "" $made }}
{{- $with := include "holdfast.madeWith" . }}
{{- if and $before (ne $before $with) }}
{{- fail (printf "this release says that the cluster was made with %s nodes, but it was made with %s. Set cluster.madeWith to %s: then nodes above it join without a vote, and docs/members.md says how they get one." $with $before $before) }}
{{- end }}
{{- $running := int (dig "spec" "replicas" $replicas $made) }}
{{- if and (lt $replicas $running) (ne (int .Values.cluster.scaleDownTo) $replicas) }}
{{- fail (printf "replicas is %d, and %d nodes run: those that end while they have a vote are missing in every quorum. Take them out first, each with holdfast ctl cluster remove ID, then say so with cluster.scaleDownTo=%d (docs/members.md)." $replicas $running $replicas) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "holdfast.validateTls" -}}
{{- $nodes := .Values.tls.nodes }}
{{- $jit := .Values.tls.jit }}
{{- if and (has $nodes.from (list "certManager" "csi")) (not $nodes.issuer.name) }}
{{- fail (printf "tls.nodes.from is %s without tls.nodes.issuer.name: who signs the nodes' certificates? Its authority should sign for this cluster alone." $nodes.from) }}
{{- end }}
{{- if and (eq $jit.from "certManager") (not $jit.issuer.name) }}
{{- fail "tls.jit.from is certManager without tls.jit.issuer.name: who signs the certificate that the processor sees?" }}
{{- end }}
{{- if and (eq $jit.from "nodes") (eq $nodes.from "none") }}
{{- fail "tls.jit.from is nodes, but tls.nodes.from is none: the nodes have no certificates." }}
{{- end }}
{{- if and $jit.clientCaSecret (eq $jit.from "none") }}
{{- fail "tls.jit.clientCaSecret is given, but tls.jit.from is none: in plain text nobody shows a certificate." }}
{{- end }}
{{- if and $jit.clientCaSecret .Values.tests.enabled (not .Values.tests.clientSecret) }}
{{- fail "tls.jit.clientCaSecret has everybody show a certificate, and helm test has none: give tests.clientSecret, or turn tests.enabled off." }}
{{- end }}
{{- if ne $nodes.from "none" }}
{{- if not (regexMatch "^[A-Za-z0-9._~-]+$" (include "holdfast.clusterName" .)) }}
{{- fail (printf "cluster.name is %q: in the nodes' certificates it must be letters, digits and -._~ alone." (include "holdfast.clusterName" .)) }}
{{- end }}
{{- if and (eq .Values.admin.execRole "none") (not .Values.admin.certificates) (not (include "holdfast.adminTokens" .)) }}
{{- fail "admin.execRole is none, and neither admin.certificates nor auth.adminTokens names anybody: nobody could run this cluster." }}
{{- end }}
{{- if and (eq $nodes.from "csi") $nodes.adminHttp .Values.metrics.serviceMonitor.enabled (not .Values.metrics.serviceMonitor.tlsConfig) }}
{{- fail "tls.nodes.from is csi, so there is no Secret with the authority for Prometheus: give metrics.serviceMonitor.tlsConfig." }}
{{- end }}
{{- else if .Values.admin.certificates }}
{{- fail "admin.certificates names operators by certificates, but tls.nodes.from is none: nobody can show one." }}
{{- end }}
{{- end }}

{{- define "holdfast.validateBackup" -}}
{{- $backup := .Values.backup }}
{{- if and (or $backup.enabled .Values.cluster.promote) (not (include "holdfast.secure" .)) (include "holdfast.adminTokens" .) (not .Values.operator.tokenSecret) }}
{{- fail "backup.enabled or cluster.promote without operator.tokenSecret: who is named by tokens alone must show one. Make a Secret with the token of an operator as `token`." }}
{{- end }}
{{- if and .Values.cluster.promote (le (int .Values.replicas) (int (include "holdfast.madeWith" .))) }}
{{- fail "cluster.promote is about nodes above cluster.madeWith, and replicas has none." }}
{{- end }}
{{- if and $backup.volume $backup.persistence.existingClaim }}
{{- fail "backup.volume and backup.persistence.existingClaim are both given: where do backups go?" }}
{{- end }}
{{- $restore := .Values.restore }}
{{- if $restore.file }}
{{- if or (not $restore.name) (not $restore.claim) }}
{{- fail "restore.file needs restore.name, which was never used before, and restore.claim, which has the file." }}
{{- end }}
{{- if ne (int .Values.replicas) (int (include "holdfast.madeWith" .)) }}
{{- fail "restore.file with other replicas than cluster.madeWith: a restored cluster begins with all of its members." }}
{{- end }}
{{- else if or $restore.name $restore.claim $restore.decideMeanwhile }}
{{- fail "restore.name, restore.claim and restore.decideMeanwhile say nothing without restore.file." }}
{{- end }}
{{- end }}
