"""PromQL as far as the tests need it: the metrics an expression reads, and the dashboard's expressions as Grafana sends them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "endturn.json"
RULES = DEPLOY / "prometheus" / "endturn.rules.yaml"
# What Grafana fills in; a scrape every second is assumed.
GRAFANA = {"$__rate_interval": "30s", "$__range": "1m", "$job": ".*", "$adapter": ".*"}
_CHILDREN = ("lhs", "rhs", "expr", "vector_selector")


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """One query of a panel."""

    title: str
    ref: str
    expr: str


def panel_queries() -> list[PanelQuery]:
    """Every query of the dashboard, its variables filled in."""
    board = json.loads(DASHBOARD.read_text())
    panels = [panel for row in board["panels"] for panel in (row, *row.get("panels", []))]
    return [
        PanelQuery(panel["title"], target["refId"], filled_in(target["expr"]))
        for panel in panels
        for target in panel.get("targets", [])
    ]


def filled_in(expr: str) -> str:
    for name, value in GRAFANA.items():
        expr = expr.replace(name, value)
    return expr


def rules() -> list[dict[str, Any]]:
    """Every rule, recording and alerting, in order."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def metrics_in(expr: str) -> set[str]:
    """Names of the metrics that `expr` reads.

    Raises:
        ValueError: it is no PromQL.
    """
    return set(_names(promql_parser.parse(expr)))


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, promql_parser.VectorSelector):
        yield node.name or ""
        return
    for child in _CHILDREN:
        if hasattr(node, child):
            yield from _names(getattr(node, child))
    for argument in getattr(node, "args", ()):
        yield from _names(argument)
