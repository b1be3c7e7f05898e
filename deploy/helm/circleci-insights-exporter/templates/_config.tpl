{{- /* Name of the Secret that the chart mounts, or nothing: the token may come by other ways. */ -}}
{{- define "exporter.tokenSecret" -}}
{{- if and .Values.token.existingSecret .Values.token.value -}}
{{- fail "token.existingSecret and token.value: give one of them" -}}
{{- end -}}
{{- if .Values.token.existingSecret -}}
{{- .Values.token.existingSecret -}}
{{- else if .Values.token.value -}}
{{- include "exporter.fullname" . }}-token
{{- end -}}
{{- end -}}

{{- /* Fails where no token can reach the exporter. */ -}}
{{- define "exporter.requireToken" -}}
{{- $file := dig "circleci" "token_file" "" .Values.config -}}
{{- $secret := include "exporter.tokenSecret" . -}}
{{- if and $file $secret -}}
{{- fail "config.circleci.token_file: the chart sets it for token.existingSecret and token.value; give one of them" -}}
{{- end -}}
{{- $variable := false -}}
{{- range .Values.extraEnv -}}{{- if eq .name "CIRCLECI_TOKEN" -}}{{- $variable = true -}}{{- end -}}{{- end -}}
{{- if not (or $secret $file $variable .Values.extraEnvFrom .Values.existingConfigMap) -}}
{{- fail "token.existingSecret: name a Secret with a CircleCI token (or set config.circleci.token_file, or CIRCLECI_TOKEN by extraEnv or extraEnvFrom)" -}}
{{- end -}}
{{- end -}}

{{- /* The configuration file: what is given, and where the chart puts token and state. */ -}}
{{- define "exporter.config" -}}
{{- $config := .Values.config -}}
{{- if not (or $config.projects $config.organizations $config.usage $config.runners) -}}
{{- fail "config: give at least one of projects, organizations, usage and runners" -}}
{{- end -}}
{{- $set := dict -}}
{{- if include "exporter.tokenSecret" . -}}
{{- $_ := set $set "circleci" (dict "token_file" "/run/secrets/circleci/token") -}}
{{- end -}}
{{- if .Values.persistence.enabled -}}
{{- if or (dig "state" "path" "" $config) (dig "state" "url" "" $config) -}}
{{- fail "config.state: the chart sets state.path for persistence.enabled; give one of them" -}}
{{- end -}}
{{- $_ := set $set "state" (dict "path" "/var/lib/circleci-insights-exporter/state.sqlite") -}}
{{- end -}}
{{- if .Values.database.existingSecret -}}
{{- if not (dig "state" "url" "" $config) -}}
{{- fail "database.existingSecret: it is for the database of config.state.url; set that too" -}}
{{- end -}}
{{- $_ := set $set "state" (dict "password_file" (printf "/run/secrets/database/%s" .Values.database.key)) -}}
{{- end -}}
{{- if .Values.webhooks.existingSecret -}}
{{- $_ := set $set "webhooks" (dict "secret_file" "/run/secrets/circleci-webhooks/secret") -}}
{{- end -}}
{{- toYaml (mergeOverwrite (deepCopy $config) $set) -}}
{{- end -}}

{{- /* Fails where webhooks are let in that no secret can verify: the exporter would have no such route. */ -}}
{{- define "exporter.requireWebhooks" -}}
{{- if and (gt (int .Values.shards) 1) (not (dig "state" "url" "" .Values.config)) -}}
{{- fail "ingress.enabled, httpRoute.enabled: a webhook must reach the shard that has its project; take one shard, or config.state.url" -}}
{{- end -}}
{{- $variable := false -}}
{{- range .Values.extraEnv -}}{{- if eq .name "CIRCLECI_WEBHOOK_SECRET" -}}{{- $variable = true -}}{{- end -}}{{- end -}}
{{- $file := dig "webhooks" "secret_file" "" .Values.config -}}
{{- if not (or .Values.webhooks.existingSecret $file $variable .Values.extraEnvFrom .Values.existingConfigMap) -}}
{{- fail "ingress.enabled, httpRoute.enabled: name a Secret with the webhook secret in webhooks.existingSecret" -}}
{{- end -}}
{{- end -}}
