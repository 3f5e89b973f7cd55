"""The table of adapters: does it run away, since when, how long its answers get, what that costs."""

from grafana_foundation_sdk.builders import common, dashboard, table
from grafana_foundation_sdk.models.common import TableCellDisplayMode
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from panels import HEIGHT, SOURCE, WHOLE, query
from queries import NOT_CLIENT, RANGE_GAP_S, RANGE_RUNAWAY_TOKENS, increase, learned, quantile

# Column, unit, and its query over what is shown.
COLUMNS = (
    ("Answers", "short", increase("endturn_stops_total", "adapter")),
    (
        "Run away",
        "percentunit",
        f"{increase('endturn_runaway_total', 'adapter', of=NOT_CLIENT)} / ({increase('endturn_stops_total', 'adapter')} > 0)",
    ),
    ("Learned", "percentunit", learned("runaway_ratio")),
    (
        "Runs away since",
        "dateTimeFromNow",
        '1000 * min by (adapter) (ALERTS_FOR_STATE{alertname=~"EndturnRunaway.*",job=~"$job",adapter=~"$adapter"})',
    ),
    (
        "Runaway length, p95",
        "short",
        quantile(0.95, "endturn_runaway_generation_tokens", "adapter", window="$__range"),
    ),
    ("Learned length, p95", "short", learned("tokens_p95")),
    (
        "Rescued",
        "percentunit",
        f"{increase('endturn_rescued_total', 'adapter')} / ({increase('endturn_stops_total', 'adapter')} > 0)",
    ),
    ("Tokens in runaways", "short", RANGE_RUNAWAY_TOKENS),
    ("Engine time in runaways", "s", f"{RANGE_RUNAWAY_TOKENS} * ({RANGE_GAP_S})"),
)


def adapters_table() -> table.Panel:
    """A row an adapter: does it run away, since when, how long, what it costs."""
    panel = (
        table.Panel()
        .title("Adapters, worst first")
        .description(
            "Over the time shown. Answers that ran into a client's own limit are not counted as runaway here, but in the costs. "
            "'Learned' is what endturn verify measured; 'since' is when the alert on it became true."
        )
        .span(WHOLE)
        .height(HEIGHT)
        .datasource(SOURCE)
        .sort_by([common.TableSortByFieldState().display_name("Run away").desc(True)])
    )
    renamed, order = {"adapter": "Adapter"}, {"adapter": 0}
    for index, (column, unit, expr) in enumerate(COLUMNS):
        name = chr(ord("A") + index)
        panel = panel.with_target(query(expr).instant().format(PromQueryFormat.TABLE).ref_id(name))
        renamed[f"Value #{name}"], order[f"Value #{name}"] = column, index + 1
        panel = panel.override_by_name(column, [DynamicConfigValue(id_val="unit", value=unit)])
    red = DynamicConfigValue(
        id_val="custom.cellOptions", value={"type": TableCellDisplayMode.COLOR_BACKGROUND}
    )
    levels = (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps(
            [
                Threshold(color="green"),
                Threshold(value=0.05, color="orange"),
                Threshold(value=0.2, color="red"),
            ]
        )
    )
    shown = DynamicConfigValue(id_val="thresholds", value=levels.build())
    columns = {"excludeByName": {"Time": True}, "renameByName": renamed, "indexByName": order}
    return (
        panel.override_by_name(
            "Run away", [DynamicConfigValue(id_val="unit", value="percentunit"), red, shown]
        )
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(DataTransformerConfig(id_val="organize", options=columns))
    )
