// Asks Prometheus what a panel's queries ask, and makes Grafana's data frames of the answers.
import { FieldType, toDataFrame } from '@grafana/data';

const legend = (format, labels) => format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, name) => labels[name] ?? '');

// As Grafana: what is no number is a gap.
const number = (value) => (value === 'NaN' ? null : Number(value));

export function fill(text, variables) {
  return Object.entries(variables).reduce(
    (filled, [name, value]) => filled.replaceAll('${' + name + '}', value).replaceAll('$' + name, value),
    text
  );
}

async function ask(settings, path, parameters) {
  const answer = await fetch(`${settings.prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== 'success') {
    throw new Error(`${parameters.query}: ${body.error}`);
  }
  return body.data.result;
}

function tableFrame(refId, result) {
  const names = [...new Set(result.flatMap((series) => Object.keys(series.metric)))].filter((name) => name !== '__name__');
  return toDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: result.map((series) => series.value[0] * 1000) },
      ...names.map((name) => ({ name, type: FieldType.string, values: result.map((series) => series.metric[name] ?? '') })),
      { name: `Value #${refId}`, type: FieldType.number, values: result.map((series) => Number(series.value[1])) },
    ],
  });
}

function seriesFrame(target, series, times) {
  const points = new Map((series.values ?? [series.value]).map(([at, value]) => [Math.round(at), number(value)]));
  const named = target.legendFormat && target.legendFormat !== '__auto';
  const name = named ? legend(target.legendFormat, series.metric) : 'Value';
  return toDataFrame({
    refId: target.refId,
    name,
    fields: [
      { name: 'Time', type: FieldType.time, values: times.map((at) => at * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: series.metric,
        values: times.map((at) => points.get(at) ?? null),
        config: { displayNameFromDS: name },
      },
    ],
  });
}

export async function framesOf(panel, settings) {
  const frames = [];
  for (const target of panel.targets ?? []) {
    const query = fill(target.expr, { __rate_interval: settings.rateInterval, ...settings.variables });
    if (target.instant) {
      const result = await ask(settings, 'query', { query, time: settings.end });
      if (target.format === 'table') {
        frames.push(tableFrame(target.refId, result));
      } else {
        frames.push(...result.map((series) => seriesFrame(target, series, [Math.round(series.value[0])])));
      }
    } else {
      const { start, end, step } = settings;
      const result = await ask(settings, 'query_range', { query, start, end, step });
      const times = Array.from({ length: Math.floor((end - start) / step) + 1 }, (_, index) => start + index * step);
      frames.push(...result.map((series) => seriesFrame(target, series, times)));
    }
  }
  return frames;
}
