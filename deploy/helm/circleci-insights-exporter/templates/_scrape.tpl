{{- /* What ServiceMonitor and PodMonitor have in common: how the exporter is scraped. */ -}}
{{- define "exporter.monitor" -}}
# The label `job` becomes circleci-insights-exporter, by which the alerts know it.
jobLabel: {{ .Values.serviceMonitor.jobLabel }}
{{- with .Values.serviceMonitor.sampleLimit }}
sampleLimit: {{ . }}
{{- end }}
{{- $namespace := include "exporter.namespace" . }}
{{- if ne (default $namespace .Values.serviceMonitor.namespace) $namespace }}
namespaceSelector:
  matchNames: [{{ $namespace }}]
{{- end }}
selector:
  matchLabels:
    {{- include "exporter.selectorLabels" . | nindent 4 }}
{{- end -}}

{{- define "exporter.endpoint" -}}
- port: http-metrics
  path: /metrics
  scheme: {{ .Values.web.scheme | lower }}
  interval: {{ .Values.serviceMonitor.interval }}
  scrapeTimeout: {{ .Values.serviceMonitor.scrapeTimeout }}
  # `project` and `job_name` are the exporter's own labels: a label of the target must not take their place.
  honorLabels: {{ .Values.serviceMonitor.honorLabels }}
  {{- with .Values.serviceMonitor.proxyUrl }}
  proxyUrl: {{ . | quote }}
  {{- end }}
  relabelings:
    {{- if gt (int .Values.replicaCount) 1 }}
    # What a replica says of itself has its pod's name.
    {{- else }}
    # The same series after a pod was replaced: no name and address of a pod, but that of the shard.
    {{- end }}
    {{- if or (gt (int .Values.shards) 1) (gt (int .Values.replicaCount) 1) }}
    - sourceLabels: [__meta_kubernetes_pod_name]
      targetLabel: instance
    {{- else }}
    - targetLabel: instance
      replacement: {{ include "exporter.fullname" . }}
    {{- end }}
    - action: labeldrop
      regex: pod|container|endpoint
    {{- with .Values.serviceMonitor.relabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or (gt (int .Values.replicaCount) 1) .Values.serviceMonitor.metricRelabelings }}
  metricRelabelings:
    {{- if gt (int .Values.replicaCount) 1 }}
    # CircleCI's families have no replica, so that their series go on when another one leads. (All but circleci_exporter_*.)
    - sourceLabels: [__name__]
      regex: circleci_([^e]|e[^x]).*
      targetLabel: instance
      replacement: ""
    {{- end }}
    {{- with .Values.serviceMonitor.metricRelabelings }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- with .Values.serviceMonitor.tlsConfig }}
  tlsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.serviceMonitor.basicAuth }}
  basicAuth:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "exporter.monitorMetadata" -}}
name: {{ include "exporter.fullname" . }}
namespace: {{ default (include "exporter.namespace" .) .Values.serviceMonitor.namespace }}
labels:
  {{- include "exporter.labels" . | nindent 2 }}
  {{- with .Values.serviceMonitor.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
