{{- define "exporter.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "exporter.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "exporter.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "exporter.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "exporter.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end -}}

{{- define "exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ include "exporter.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- /* Of objects, but not of pods: the versions among them would replace every pod at each upgrade of the chart. */ -}}
{{- define "exporter.labels" -}}
{{ include "exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- /* Name, namespace and labels of most objects. */ -}}
{{- define "exporter.metadata" -}}
name: {{ include "exporter.fullname" . }}
namespace: {{ include "exporter.namespace" . }}
labels:
  {{- include "exporter.labels" . | nindent 2 }}
{{- end -}}

{{- define "exporter.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "exporter.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "exporter.image" -}}
{{- $repository := .Values.image.repository -}}
{{- with .Values.image.registry -}}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- /* How the services get their addresses. */ -}}
{{- define "exporter.ipFamilies" -}}
{{- with .Values.service.ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Not empty where pods may run side by side, since a database decides which of them leads. */ -}}
{{- define "exporter.shared" -}}
{{- $replicas := int .Values.replicaCount -}}
{{- $url := dig "state" "url" "" .Values.config -}}
{{- if gt $replicas 1 -}}
{{- if gt (int .Values.shards) 1 -}}
{{- fail "replicaCount and shards: several replicas of several shards need one release for each shard, with extraArgs {--shard=0,--total-shards=3}" -}}
{{- end -}}
{{- if not (or $url .Values.existingConfigMap) -}}
{{- fail "replicaCount: several replicas need a database that they share; set config.state.url" -}}
{{- end -}}
{{- if .Values.persistence.enabled -}}
{{- fail "replicaCount and persistence.enabled: replicas share a database, not a volume; give one of them" -}}
{{- end -}}
{{- end -}}
{{- if or $url (gt $replicas 1) -}}true{{- end -}}
{{- end -}}

{{- define "exporter.claim" -}}
accessModes:
  {{- toYaml .Values.persistence.accessModes | nindent 2 }}
{{- with .Values.persistence.storageClass }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .Values.persistence.size }}
{{- end -}}
