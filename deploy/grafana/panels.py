"""Kinds of panels the dashboard is made of, each with a title, a unit and a sentence about what it shows."""

from grafana_foundation_sdk.builders import common, prometheus, stat, timeseries
from grafana_foundation_sdk.models.common import LegendDisplayMode, LegendPlacement, StackingMode
from grafana_foundation_sdk.models.dashboard import DataSourceRef

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
HEIGHT, HALF, THIRD, WHOLE = 8, 12, 8, 24


def query(expr: str, legend: str = "__auto") -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(expr).legend_format(legend).datasource(SOURCE)


def lines(
    title: str, unit: str, about: str, *queries: tuple[str, str], span: int = HALF
) -> timeseries.Panel:
    """Lines over time; each query is an expression and its legend."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .min(0)
        .span(span)
        .height(HEIGHT)
        .datasource(SOURCE)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
    )
    for number, (expr, legend) in enumerate(queries):
        panel = panel.with_target(query(expr, legend).ref_id(chr(ord("A") + number)))
    return panel


def stacked(
    title: str, unit: str, about: str, *queries: tuple[str, str], span: int = HALF
) -> timeseries.Panel:
    return (
        lines(title, unit, about, *queries, span=span)
        .fill_opacity(40)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    )


def number(title: str, unit: str, about: str, expr: str, *, span: int = 6) -> stat.Panel:
    """One number for all that is shown."""
    return (
        stat.Panel()
        .title(title)
        .description(about)
        .unit(unit)
        .span(span)
        .height(4)
        .datasource(SOURCE)
        .no_value("0")
        .with_target(query(expr).instant())
    )
