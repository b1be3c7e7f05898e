"""How panels of each kind look, in one place: units, colors, legends, tooltips."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import bargauge, common, dashboard, heatmap, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models import common as style
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as heat
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.colors import BLUE, GRAY, RANKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HIDDEN = {"legend": False, "tooltip": False, "viz": True}
SOURCE = style.DataSourceRef(type_val="prometheus", uid="${datasource}")

# Units as Grafana calls them.
RATIO, SECONDS, COUNT, CREDITS, TIME, PER_SECOND = "percentunit", "s", "short", "short", "dateTimeFromNow", "reqps"
# Minutes and hours, so that the ticks of an axis are round ones.
MINUTES, HOURS, PER_HOUR = "suffix: min", "suffix: h", "suffix: /h"
# What is alike in all rows of a column, however large the numbers are: 01:14:24, 0.39 s, 12,400.
CLOCK, SHORT_SECONDS, MILLISECONDS, WHOLE, DOLLARS = "dthms", "suffix: s", "suffix: ms", "locale", "prefix:$"
DECIMALS = {MINUTES: 1, HOURS: 1, SHORT_SECONDS: 2, MILLISECONDS: 0, WHOLE: 0, DOLLARS: 0}
"""Of the units that would have other ones in each row."""
VALUE_SIZE = 28
"""Of all figures, or Grafana makes each as large as its panel allows."""

FIT_BELOW = 2
"""So many lines of a legend can be read below a chart."""

DAY = "1d"
"""The shortest step of charts of what is known by day."""

Steps = list[tuple[float | None, str]]
"""Thresholds: each color holds from its value on; the first from None."""


def needs(collector: str) -> str:
    """The sentence of a panel that shows nothing unless the configuration asks for it."""
    return f"Needs the collector `{collector}`, which is off unless the configuration names it."


def configured(key: str) -> str:
    """The sentence of a panel that shows nothing without a part of the configuration."""
    return f"Needs `{key}` in the configuration."


def minutes(expression: str) -> str:
    """Seconds as minutes, for an axis."""
    return f"({expression}) / 60"


def hours(expression: str) -> str:
    """Seconds as hours, for an axis."""
    return f"({expression}) / 3600"


def per_hour(expression: str) -> str:
    """A rate a second as one an hour."""
    return f"{expression} * 3600"


def _question(description: str) -> str:
    """What an empty panel asks: about the collector, or the key of the configuration, that it needs."""
    if found := re.search(r"Needs the collector `(\w+)`", description):
        return f"Is {found[1]} on?"
    if found := re.search(r"Needs `(\w+)` in the configuration", description):
        return f"Is {found[1]} configured?"
    return ""


def _nothing(description: str) -> str:
    """What an empty panel says."""
    return f"No data. {_question(description)}".strip()


METRIC = re.compile(r"\b(circleci[_:][\w:]+|process_\w+|ALERTS)(?:\{([^}]*)\})?")
CLUSTER = 'cluster=~"$cluster"'


def of_clusters(expression: str) -> str:
    """The same, of the chosen clusters only; without such a label, a series is of every cluster."""

    def selected(found: re.Match[str]) -> str:
        name, labels = found[1], found[2] or ""
        return found[0] if CLUSTER in labels else f"{name}{{{', '.join(filter(None, (labels, CLUSTER)))}}}"

    return METRIC.sub(selected, expression)


def _current(expression: str) -> str:
    """Only if there is a value at the end of the time range: a curve must not make an old value look current."""
    expression = of_clusters(expression)
    now = re.sub(r"(\}(?:\[[^\]]*\])?(?: offset \w+)?)", r"\1 @ end()", expression)
    return f"({expression}) and on () ({now})"


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(model.ThresholdsMode.ABSOLUTE)
        .steps([model.Threshold(value=value, color=color) for value, color in steps])
    )


def _color(mode: model.FieldColorModeId, fixed: str = "") -> dashboard.FieldColor:
    color = dashboard.FieldColor().mode(mode)
    return color.fixed_color(fixed) if fixed else color


def _query(ref: str, expression: str, legend: str = "") -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .datasource(SOURCE)
        .ref_id(ref)
        .expr(of_clusters(expression))
        .legend_format(legend or "__auto")
    )


def _refs(count: int) -> list[str]:
    return [chr(ord("A") + index) for index in range(count)]


def number(
    title: str,
    description: str,
    expression: str,
    *,
    unit: str = COUNT,
    steps: Steps | None = None,
    decimals: int | None = None,
    width: int = 4,
    height: int = 5,
    mappings: Mapping[str, tuple[str, str]] | None = None,
    legend: str = "",
    curve: bool = False,
    empty: str = "",
) -> stat.Panel:
    """One number as it is now, with its `curve` behind it. `mappings` gives a text and a color to a value."""
    query = _query("A", _current(expression) if curve else expression, legend)
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query.range() if curve else query.instant())
        .no_value(empty or _question(description) or "No data")
        .unit(unit)
        .height(height)
        .span(width)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(style.BigValueGraphMode.AREA if curve else style.BigValueGraphMode.NONE)
        .color_mode(style.BigValueColorMode.VALUE)
        .justify_mode(style.BigValueJustifyMode.AUTO)
        .text(common.VizTextDisplayOptions().value_size(VALUE_SIZE))
        .text_mode(style.BigValueTextMode.NAME if legend else style.BigValueTextMode.VALUE)
        .thresholds(_thresholds(steps or [(None, BLUE)]))
        .color_scheme(_color(model.FieldColorModeId.THRESHOLDS))
    )
    if decimals is not None:
        panel.decimals(decimals)
    if mappings:
        options = {value: model.ValueMappingResult(text=text, color=shade) for value, (text, shade) in mappings.items()}
        panel.mappings([model.ValueMap(options=options)])
    return panel


def change(
    title: str, description: str, expression: str, *, unit: str, steps: Steps, width: int = 4, empty: str = ""
) -> stat.Panel:
    """A difference with its sign, as "+3 %" or "-3 %".

    None of Grafana's units writes the plus, and its mappings of values keep no number. So the text is a label that
    `count_values` makes of the number, and the number itself gives the color by `steps`. A panel
    of names would be blank without a series, so that what it says then is the name of one.
    """
    shown = f'count_values("change", {expression}) * on () group_left () ({expression})'
    panel = number(title, description, f"{shown} > 0", steps=steps, width=width, legend=f"+{{{{change}}}} {unit}")
    panel.with_target(_query("B", f"{shown} <= 0", f"{{{{change}}}} {unit}").instant())
    none = empty or _question(description) or "No data"
    panel.with_target(_query("C", f"absent({expression})", none).instant())
    color = {"mode": "fixed", "fixedColor": GRAY}
    return panel.override_by_query("C", [model.DynamicConfigValue(id_val="color", value=color)])


def percent(expression: str) -> str:
    """A relative change (1 is twice as much) in whole percent."""
    return f"round(100 * ({expression}))"


def points(expression: str) -> str:
    """A difference of ratios in percentage points, to one place."""
    return f"round(1000 * ({expression})) / 10"


@dataclass(frozen=True, slots=True)
class Line:
    """One query of a chart."""

    expression: str
    legend: str
    color: str
    exemplars: bool = False


def ranked(expression: str, by: str, legend: str, count: int = 6, order: str = "topk", *, rank: str = "") -> list[Line]:
    """The things that are first now, each by its rank in a color of its own, over the whole time.

    No palette of Grafana's can be told apart by everybody, and a color for each name is impossible where names are not
    known. `expression` has `{at}` after each selector, where the moment goes at which the ranks are made; `rank` too,
    if something else makes them.
    """
    past, now = expression.format(at=""), (rank or expression).format(at=" @ end()")
    lines = []
    for place in range(1, count + 1):
        first = f"{order}({place}, {now})"
        here = first if place == 1 else f"({first} unless {order}({place - 1}, {now}))"
        lines.append(Line(f"({past}) and on ({by}) {here}", legend, RANKS[place - 1]))
    return lines


def chart(
    title: str,
    description: str,
    lines: Sequence[Line],
    *,
    unit: str = COUNT,
    width: int = 12,
    height: int = 8,
    steps: Steps | None = None,
    low: float | None = 0,
    high: float | None = None,
    stacked: bool = False,
    bars: bool = False,
    soft_high: float | None = None,
    calculations: Sequence[str] = ("lastNotNull",),
    step: bool = False,
    right: bool = False,
    interval: str = "",
) -> timeseries.Panel:
    """Lines (or stacked bars) over time; the legend is a table, at the `right` if it is long or has long names."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .no_value(_nothing(description))
        .unit(unit)
        .height(height)
        .span(width)
        .line_width(2)
        .fill_opacity(60 if bars else 25 if stacked else 0)
        .show_points(style.VisibilityMode.NEVER)
        .span_nulls(False)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(style.LegendDisplayMode.TABLE)
            .placement(style.LegendPlacement.RIGHT if right or len(lines) > FIT_BELOW else style.LegendPlacement.BOTTOM)
            .calcs(list(calculations))
        )
        .tooltip(common.VizTooltipOptions().mode(style.TooltipDisplayMode.MULTI).sort(style.SortOrder.DESCENDING))
        .color_scheme(_color(model.FieldColorModeId.FIXED, GRAY))
    )
    if bars:
        panel.draw_style(style.GraphDrawStyle.BARS).line_width(0)
    if step:
        panel.line_interpolation(style.LineInterpolation.STEP_AFTER)
    if stacked:
        panel.stacking(common.StackingConfig().mode(style.StackingMode.NORMAL).group("A"))
    limits = (
        (panel.min, low),
        (panel.max, high),
        (panel.axis_soft_max, soft_high),
        (panel.decimals, DECIMALS.get(unit)),
    )
    for limit, value in limits:
        if value is not None:
            limit(value)
    if steps:
        panel.thresholds(_thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(style.GraphThresholdsStyleMode.DASHED)
        )
    for ref, line in zip(_refs(len(lines)), lines, strict=True):
        query = _query(ref, line.expression, line.legend).range()
        if interval:
            query.interval(interval)
        panel.with_target(query.exemplar(exemplar=True) if line.exemplars else query)
        color = {"mode": "fixed", "fixedColor": line.color}
        panel.override_by_query(ref, [model.DynamicConfigValue(id_val="color", value=color)])
    return panel


def bars(
    title: str,
    description: str,
    expression: str,
    legend: str,
    *,
    unit: str = COUNT,
    width: int = 8,
    height: int = 8,
    color: str = BLUE,
    steps: Steps | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> bargauge.Panel:
    """The newest value of several things beside each other, in the order of the query, with `links` of each bar."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(_query("A", expression, legend).instant())
        .no_value(_nothing(description))
        .unit(unit)
        .min(0)
        .height(height)
        .span(width)
        .orientation(style.VizOrientation.HORIZONTAL)
        .display_mode(style.BarGaugeDisplayMode.BASIC)
        .value_mode(style.BarGaugeValueMode.TEXT)
        .name_placement(style.BarGaugeNamePlacement.LEFT)
        .sizing(style.BarGaugeSizing.AUTO)
        .text(common.VizTextDisplayOptions().title_size(13).value_size(16))
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .thresholds(_thresholds(steps or [(None, color)]))
        .color_scheme(_color(model.FieldColorModeId.THRESHOLDS))
    )
    if (decimals := DECIMALS.get(unit)) is not None:
        panel.decimals(decimals)
    return panel.override_by_query("A", [_links(links)]) if links else panel


def _links(targets: Sequence[tuple[str, str]]) -> model.DynamicConfigValue:
    listed = [{"title": text, "url": url, "targetBlank": url.startswith("https:")} for text, url in targets]
    return model.DynamicConfigValue(id_val="links", value=listed)


@dataclass(frozen=True, slots=True)
class Column:
    """One numeric column of a table: its own query."""

    title: str
    expression: str
    unit: str = COUNT
    steps: Steps | None = None
    gauge: bool = False
    decimals: int | None = None
    mappings: Mapping[str, tuple[str, str]] | None = None
    width: int = 0


def listing(
    title: str,
    description: str,
    labels: Mapping[str, str],
    columns: Sequence[Column],
    *,
    sort: str,
    descending: bool = True,
    first: str = "",
    width: int = 12,
    height: int = 9,
    links: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    hidden: Sequence[str] = (),
    unseen: Sequence[str] = (),
) -> table.Panel:
    """A table: a row for each label set. `labels` gives the labels' titles, `links` texts and URLs to a column.

    Rows with the lowest value of the column `first` come before all others. `hidden` fields are dropped; `unseen`
    columns are there for links only.
    """
    refs = _refs(len(columns))
    names = {f"Value #{ref}": column.title for ref, column in zip(refs, columns, strict=True)}
    order = [*labels, *names]
    by = [common.TableSortByFieldState().display_name(first).desc(False)] if first else []
    by.append(common.TableSortByFieldState().display_name(sort).desc(descending))
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .no_value(_nothing(description))
        .height(height)
        .span(width)
        .show_header(True)
        .cell_height(style.TableCellHeight.SM)
        .sort_by(by)
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "excludeByName": dict.fromkeys(("Time", *hidden), True),
                    "includeByName": {},
                    "indexByName": {name: index for index, name in enumerate(order)},
                    "renameByName": {**labels, **names},
                },
            )
        )
    )
    for ref, column in zip(refs, columns, strict=True):
        panel.with_target(_query(ref, column.expression).instant().format(PromQueryFormat.TABLE))
        panel.override_by_name(column.title, _properties(column))
    for name, targets in (links or {}).items():
        panel.override_by_name(name, [_links(targets)])
    for name in unseen:
        panel.override_by_name(name, [model.DynamicConfigValue(id_val="custom.hideFrom", value=HIDDEN)])
    return panel


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    # An empty cell says less than an empty table does.
    found: list[tuple[str, object]] = [("unit", column.unit), ("noValue", "-")]
    decimals = DECIMALS.get(column.unit) if column.decimals is None else column.decimals
    if decimals is not None:
        found.append(("decimals", decimals))
    if column.steps:
        steps = [{"value": value, "color": color} for value, color in column.steps]
        found.append(("thresholds", {"mode": "absolute", "steps": steps}))
        found.append(("color", {"mode": "thresholds"}))
    if column.gauge:
        found += [("custom.cellOptions", {"type": "gauge", "mode": "basic", "valueDisplayMode": "text"}), ("min", 0)]
        found.append(("max", 1) if column.unit == RATIO else ("fieldMinMax", True))
    elif column.steps or column.mappings:
        found.append(("custom.cellOptions", {"type": "color-text"}))
    if column.mappings:
        options = {value: {"text": text, "color": shade} for value, (text, shade) in column.mappings.items()}
        found.append(("mappings", [{"type": "value", "options": options}]))
    if column.width:
        found.append(("custom.width", column.width))
    return [model.DynamicConfigValue(id_val=name, value=value) for name, value in found]


def heat_map(title: str, description: str, expression: str, *, width: int = 12, height: int = 9) -> heatmap.Panel:
    """A histogram over time: one column of cells a step, brighter where there is more."""
    return (
        heatmap.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(_query("A", expression, "{{le}}").range().format(PromQueryFormat.HEATMAP))
        .no_value(_nothing(description))
        .height(height)
        .span(width)
        .calculate(False)
        .cell_gap(1)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heat.HeatmapColorMode.SCHEME)
            .scheme("Cividis")
            .scale(heat.HeatmapColorScale.EXPONENTIAL)
            .exponent(0.5)
            .steps(64)
            .reverse(False)
        )
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .y_axis(heatmap.YAxisConfig().unit(SECONDS).axis_placement(style.AxisPlacement.LEFT))
        .rows_frame(heatmap.RowsHeatmapOptions().layout(style.HeatmapCellLayout.LE))
        .cell_values(heatmap.CellValues().unit(COUNT))
        .show_legend()
        .tooltip(heatmap.HeatmapTooltip().mode(style.TooltipDisplayMode.SINGLE).y_histogram(False))
    )
