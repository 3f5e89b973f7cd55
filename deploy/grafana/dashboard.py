"""Writes dashboards/endturn.json: which adapter runs away, since when, how long its answers get, and what that costs.

`.venv/bin/python deploy/grafana/dashboard.py`. Only "Runs away since" and the number of alerts need the rules of ../prometheus.
"""

from pathlib import Path

from adapters_table import adapters_table
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, VariableRefresh
from panels import SOURCE, THIRD, lines, number, stacked
from queries import (
    GAP_S,
    RANGE_GAP_S,
    RANGE_RUNAWAY_TOKENS,
    RESCUED_SHARE,
    RUNAWAY_SHARE,
    RUNAWAY_TOKENS,
    increase,
    learned,
    quantile,
    rate,
)
from server_row import server

WHERE = Path(__file__).parent / "dashboards" / "endturn.json"


def at_a_glance(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Which adapter runs away"))
        .with_panel(
            number(
                "Runaway alerts",
                "short",
                "Adapters whose runaway alert is firing.",
                'count(ALERTS{alertname=~"EndturnRunaway.*",alertstate="firing",job=~"$job"}) or vector(0)',
            )
        )
        .with_panel(
            number(
                "Tokens in runaways",
                "short",
                "Generated for answers that had to be cut, over the time shown.",
                f"sum({RANGE_RUNAWAY_TOKENS})",
            )
        )
        .with_panel(
            number(
                "Of all generated tokens",
                "percentunit",
                "Their share.",
                f"sum({RANGE_RUNAWAY_TOKENS}) / sum({increase('endturn_generation_tokens_sum', 'adapter')})",
            )
        )
        .with_panel(
            number(
                "Engine time in runaways",
                "s",
                "Seconds of decoding, all answers added up: tokens times the adapter's mean time between tokens.",
                f"sum({RANGE_RUNAWAY_TOKENS} * ({RANGE_GAP_S}))",
            )
        )
        .with_panel(adapters_table())
    )


def runaways(board: dashboard.Dashboard) -> dashboard.Dashboard:
    by_limit = rate("endturn_runaway_total", "adapter, kind, limit")
    length = "endturn_runaway_generation_tokens"
    return (
        board.with_row(dashboard.Row("Since when, and how long"))
        .with_panel(
            lines(
                "Share of answers that run away",
                "percentunit",
                "Against what was learned (a limit that a client set is left out). The alert wants 5 points more.",
                (RUNAWAY_SHARE, "{{adapter}}"),
                (learned("runaway_ratio"), "{{adapter}} learned"),
            )
        )
        .with_panel(
            lines(
                "How long runaways get",
                "short",
                "Tokens when they were cut, whoever set the limit, against the learned length.",
                (quantile(0.5, length, "adapter"), "{{adapter}} p50"),
                (quantile(0.95, length, "adapter"), "{{adapter}} p95"),
                (learned("tokens_p95"), "{{adapter}} learned p95"),
            )
        )
        .with_panel(
            stacked(
                "Stops by kind",
                "cps",
                "Answers a second by how they ended.",
                (rate("endturn_stops_total", "kind"), "{{kind}}"),
            )
        )
        .with_panel(
            stacked(
                "Runaway by limit",
                "cps",
                "Loops and token limits, and who set the limit.",
                (by_limit, "{{adapter}} {{kind}} ({{limit}})"),
            )
        )
    )


def costs(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("What it costs"))
        .with_panel(
            stacked(
                "Tokens a second in runaways",
                "short",
                "Generated for answers that had to be cut.",
                (RUNAWAY_TOKENS, "{{adapter}}"),
                span=THIRD,
            )
        )
        .with_panel(
            stacked(
                "Engine seconds a second in runaways",
                "s",
                "How many answers are running away at once, on average: their tokens times the time between tokens.",
                (f"{RUNAWAY_TOKENS} * ({GAP_S})", "{{adapter}}"),
                span=THIRD,
            )
        )
        .with_panel(
            stacked(
                "Tokens generated and not returned",
                "short",
                "A stop took them back; more than a few an answer means stops come late.",
                (rate("endturn_trimmed_tokens_total", "adapter"), "{{adapter}}"),
                span=THIRD,
            )
        )
    )


def answers(board: dashboard.Dashboard) -> dashboard.Dashboard:
    return (
        board.with_row(dashboard.Row("Answers"))
        .with_panel(
            lines(
                "Share of answers that are rescued",
                "percentunit",
                "Ended in the right place by the stop head or a role marker, against what was learned.",
                (RESCUED_SHARE, "{{adapter}}"),
                (learned("rescued_ratio"), "{{adapter}} learned"),
            )
        )
        .with_panel(
            lines(
                "Answer length by kind, p95",
                "short",
                "Tokens, the end token included.",
                (
                    quantile(0.95, "endturn_generation_tokens", "adapter, kind"),
                    "{{adapter}} {{kind}}",
                ),
            )
        )
        .with_panel(
            lines(
                "Answers as a share of their limit",
                "percentunit",
                "p50 and p95; near 1 the limit cuts answers.",
                (quantile(0.5, "endturn_generation_limit_ratio", "adapter"), "{{adapter}} p50"),
                (quantile(0.95, "endturn_generation_limit_ratio", "adapter"), "{{adapter}} p95"),
            )
        )
        .with_panel(
            lines(
                "Tokens a second",
                "short",
                "Of answers that ended; a long answer counts when it ends.",
                (rate("endturn_generation_tokens_sum", "adapter"), "{{adapter}}"),
            )
        )
    )


def board() -> dashboard.Dashboard:
    """The whole dashboard."""
    made = (
        dashboard.Dashboard("endturn: runaway generation")
        .uid("endturn")
        .description("Which adapter runs away, since when, how long, and what it costs.")
        .tags(["endturn"])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
        )
    )
    for name, metric in (("job", "endturn_requests_in_flight"), ("adapter", "endturn_stops_total")):
        scope = "" if name == "job" else '{job=~"$job"}'
        made = made.with_variable(
            dashboard.QueryVariable(name)
            .label(name)
            .datasource(SOURCE)
            .query(f"label_values({metric}{scope}, {name})")
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .include_all(True)
            .all_value(".*")
            .multi(True)
        )
    for part in (at_a_glance, runaways, costs, answers, server):
        made = part(made)
    return made


def as_json() -> str:
    """The file's text."""
    return JSONEncoder(sort_keys=True, indent=1).encode(board().build()) + "\n"


def main() -> int:
    WHERE.write_text(as_json())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
