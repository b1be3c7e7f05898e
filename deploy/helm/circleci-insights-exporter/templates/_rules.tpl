{{- /* Thresholds of single projects and organizations: alerts look for them, and use their constants where there are none. */ -}}
{{- define "exporter.ownThresholds" -}}
- name: circleci-insights-thresholds
  rules:
    {{- range $label, $all := dict "project" .Values.prometheusRule.projectThresholds "organization" .Values.prometheusRule.organizationThresholds }}
    {{- range $owner, $thresholds := $all }}
    {{- range $name, $value := $thresholds }}
    - record: circleci:threshold:{{ $name }}
      expr: vector({{ $value }})
      labels: { {{- $label }}: {{ quote $owner -}} }
    {{- end }}
    {{- end }}
    {{- end }}
{{- end -}}

{{- /* A file of rules as the values have it: thresholds, runbook, job, and the labels of the exporter's configuration. */ -}}
{{- define "exporter.ruleFile" -}}
{{- $values := .root.Values.prometheusRule -}}
{{- $text := .root.Files.Get .path -}}
{{- $text = $text | replace "https://runbooks.example.com/circleci-insights-exporter" $values.runbookUrl -}}
{{- $text = $text | replace "job=\"circleci-insights-exporter\"" (printf "job=%q" (default (include "exporter.name" .root) $values.job)) -}}
{{- $text = $text | replace "(project, team)" (printf "(%s)" (prepend $values.projectLabels "project" | join ", ")) -}}
{{- range $name, $value := $values.thresholds -}}
{{- $text = regexReplaceAll (printf "[0-9.]+  # %s\n" $name) $text (printf "%v  # %s\n" $value $name) -}}
{{- end -}}
{{- $text | replace "group_left (team)" (printf "group_left (%s)" ($values.projectLabels | join ", ")) -}}
{{- end -}}

{{- /* The groups of alerts, without those that are switched off, with what is overridden for each. */ -}}
{{- define "exporter.alerts" -}}
{{- $values := .Values.prometheusRule -}}
{{- $known := list -}}
{{- $groups := list -}}
{{- range (include "exporter.ruleFile" (dict "root" . "path" "files/rules/alerts.yml") | fromYaml).groups -}}
{{- $rules := list -}}
{{- range .rules -}}
{{- $name := default "" .alert -}}
{{- $known = append $known $name -}}
{{- if not (has $name $values.disabled) -}}
{{- $rule := . -}}
{{- if $name -}}
{{- $own := dig $name (dict) $values.overrides -}}
{{- $labels := mergeOverwrite (dict) .labels $values.alertLabels (default (dict) $own.labels) -}}
{{- with $own.severity -}}{{- $_ := set $labels "severity" . -}}{{- end -}}
{{- $rule = mergeOverwrite (deepCopy .) (pick $own "for" "keep_firing_for") (dict "labels" $labels) -}}
{{- end -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- if $rules -}}{{- $groups = append $groups (mergeOverwrite (deepCopy .) (dict "rules" $rules)) -}}{{- end -}}
{{- end -}}
{{- range concat $values.disabled (keys $values.overrides) -}}
{{- if not (has . $known) -}}
{{- fail (printf "prometheusRule: there is no alert %s" .) -}}
{{- end -}}
{{- end -}}
{{- toYaml $groups -}}
{{- end -}}
