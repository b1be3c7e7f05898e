// A heat map of Prometheus' cumulative buckets on Grafana's plot: Grafana's own heat map is part of its server, not of its components.
import React from 'react';
import { getValueFormat, formattedValueToString } from '@grafana/data';
import { UPlotChart, UPlotConfigBuilder } from '@grafana/ui';
import { interpolateCividis } from 'd3-scale-chromatic';

function cells(frames) {
  const bound = (frame) => Number(frame.fields[1].labels.le === '+Inf' ? Infinity : frame.fields[1].labels.le);
  const sorted = [...frames].sort((a, b) => bound(a) - bound(b));
  const counts = sorted.map((frame, index) =>
    frame.fields[1].values.map((value, at) => Math.max(0, (value ?? 0) - (index ? (sorted[index - 1].fields[1].values[at] ?? 0) : 0)))
  );
  return { bounds: sorted.map(bound), counts, times: sorted[0].fields[0].values };
}

export function Heatmap({ frames, panel, width, height, theme, timeRange }) {
  const { bounds, counts, times } = cells(frames);
  const most = Math.max(...counts.flat());
  const seconds = getValueFormat(panel.options.yAxis.unit);
  const builder = new UPlotConfigBuilder('utc');
  builder.addScale({ scaleKey: 'x', isTime: true, orientation: 0, direction: 1, range: () => [timeRange.from.valueOf(), timeRange.to.valueOf()] });
  builder.addScale({ scaleKey: 'y', orientation: 1, direction: 1, range: () => [0, bounds.length] });
  builder.addAxis({ scaleKey: 'x', isTime: true, placement: 'bottom', timeZone: 'utc', theme });
  builder.addAxis({
    scaleKey: 'y',
    placement: 'left',
    theme,
    size: 60,
    splits: () => bounds.map((_, index) => index + 1),
    values: (_, splits) =>
      splits.map((split) => (bounds[split - 1] === Infinity ? '+Inf' : formattedValueToString(seconds(bounds[split - 1])))),
  });
  builder.addSeries({ scaleKey: 'y', pathBuilder: () => null, show: true, theme });
  builder.addHook('draw', (plot) => {
    const step = times[1] - times[0];
    counts.forEach((row, index) =>
      row.forEach((count, at) => {
        if (!count) {
          return;
        }
        const share = (count / most) ** panel.options.color.exponent;
        const left = plot.valToPos(times[at] - step, 'x', true);
        const right = plot.valToPos(times[at], 'x', true);
        const top = plot.valToPos(index + 1, 'y', true);
        const bottom = plot.valToPos(index, 'y', true);
        plot.ctx.fillStyle = interpolateCividis(0.15 + 0.85 * share);
        plot.ctx.fillRect(left, top, right - left - 1, bottom - top - 1);
      })
    );
  });
  return <UPlotChart data={[times, times.map(() => 0)]} config={builder} width={width} height={height} timeRange={timeRange} />;
}
