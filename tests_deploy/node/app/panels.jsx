// One of Grafana's components for each type of panel.
import React from 'react';
import { getDisplayProcessor, getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import { Heatmap } from './heatmap';

function valuesOf({ frames, panel, theme }, sparkline) {
  return getFieldDisplayValues({
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    data: frames,
    theme,
    replaceVariables: (text) => text,
    timeZone: 'utc',
    sparkline,
  });
}

function Stat(props) {
  const { panel, width, height, theme, timeRange } = props;
  const [value] = valuesOf(props, panel.options.graphMode !== 'none');
  const sparkline = value.sparkline && { ...value.sparkline, timeRange };
  return (
    <BigValue
      colorMode={panel.options.colorMode}
      graphMode={panel.options.graphMode}
      height={height}
      justifyMode={panel.options.justifyMode}
      sparkline={sparkline}
      text={panel.options.text}
      textMode={panel.options.textMode}
      theme={theme}
      value={value.display}
      width={width}
    />
  );
}

function Bars(props) {
  const { panel, width, height, theme } = props;
  const values = valuesOf(props, false);
  const factors = getDisplayValueAlignmentFactors(values);
  return (
    <VizRepeater
      getAlignmentFactors={() => factors}
      getValues={() => values}
      height={height}
      itemSpacing={8}
      minVizHeight={16}
      orientation={panel.options.orientation}
      renderCounter={0}
      renderValue={({ value, width, height, orientation, alignmentFactors }) => (
        <BarGauge
          alignmentFactors={alignmentFactors}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0) ?? getDisplayProcessor({ field: value.field, theme })}
          displayMode={panel.options.displayMode}
          field={value.field}
          height={height}
          namePlacement={panel.options.namePlacement}
          orientation={orientation}
          showUnfilled={panel.options.showUnfilled}
          text={panel.options.text}
          theme={theme}
          value={value.display}
          valueDisplayMode={panel.options.valueMode}
          width={width}
        />
      )}
      source={props.frames}
      width={width}
    />
  );
}

function Table({ frames, panel, width, height }) {
  return (
    <TableNG
      cellHeight={panel.options.cellHeight}
      data={frames[0]}
      getActions={() => []}
      height={height}
      sortBy={panel.options.sortBy}
      replaceVariables={(text) => text}
      width={width}
    />
  );
}

function Chart({ frames, panel, width, height, timeRange }) {
  return (
    <TimeSeries
      frames={frames}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
      structureRev={1}
      timeRange={timeRange}
      timeZone="utc"
      width={width}
    />
  );
}

export const components = { bargauge: Bars, heatmap: Heatmap, stat: Stat, table: Table, timeseries: Chart };
