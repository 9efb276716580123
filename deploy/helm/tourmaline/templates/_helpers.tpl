{{- define "tourmaline.name" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
{{- $name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "tourmaline.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tourmaline.labels" -}}
{{ include "tourmaline.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "tourmaline.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "tourmaline.name" .) }}
{{- end }}

{{/* The settings as values, once they are known to fit several replicas. */}}
{{- define "tourmaline.settings" -}}
{{- $settings := fromToml .Values.settings }}
{{- with $settings.Error }}{{ fail (printf "settings is no TOML: %s" .) }}{{ end }}
{{- $server := $settings.server | default dict }}
{{- if not (hasPrefix "https://" ($server.public_url | default "")) }}
{{- fail "settings: give server.public_url, such as https://portal.example" }}
{{- end }}
{{- $storage := $settings.storage | default dict }}
{{- if not (and $storage.endpoint $storage.bucket) }}
{{- fail "settings: give storage.endpoint and storage.bucket: the folder is on one machine alone" }}
{{- end }}
{{- if ne (get ($settings.local | default dict) "enabled" | toString) "false" }}
{{- fail "settings: give [local] enabled = false: the image has no Spark" }}
{{- end }}
{{- toJson $settings }}
{{- end }}

{{/* The namespaces of this cluster in which jobs run, as the settings name them. */}}
{{- define "tourmaline.namespaces" -}}
{{- $settings := include "tourmaline.settings" . | fromJson }}
{{- $found := list }}
{{- range $settings.clusters }}{{ if .in_cluster }}{{ $found = concat $found .namespaces }}{{ end }}{{ end }}
{{- $found | uniq | toJson }}
{{- end }}
