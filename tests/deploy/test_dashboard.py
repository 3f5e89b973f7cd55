"""The dashboard as a file: made by its script, and every query reads what the server has."""

import json
import subprocess
import sys

import yaml

from tests.deploy.promql import DASHBOARD, DEPLOY, metrics_in, panel_queries
from tests.deploy.test_rules import server_metrics

# vLLM's own page, and Prometheus's alerts.
FROM_ELSEWHERE = {
    "vllm:num_requests_running",
    "vllm:num_requests_waiting",
    "ALERTS",
    "ALERTS_FOR_STATE",
}


def test_the_file_is_what_its_script_writes() -> None:
    command = "import dashboard; print(dashboard.as_json(), end='')"
    written = subprocess.run(
        [sys.executable, "-c", command],
        cwd=DEPLOY / "grafana",
        capture_output=True,
        text=True,
        check=True,
    )
    assert written.stdout == DASHBOARD.read_text(), "run deploy/grafana/dashboard.py"


def test_every_query_reads_metrics_that_exist() -> None:
    known = server_metrics() | FROM_ELSEWHERE
    for query in panel_queries():
        assert metrics_in(query.expr) <= known, query
        assert "$" not in query.expr, "a variable that Grafana would not fill in"


def test_every_metric_of_the_server_is_shown() -> None:
    shown = set().union(*(metrics_in(query.expr) for query in panel_queries()))
    histograms = {name.removesuffix("_bucket") for name in server_metrics() if "_bucket" in name}
    plain = {name for name in server_metrics() if not name.endswith(("_bucket", "_sum", "_count"))}
    hidden = {name for name in plain if name not in shown}
    hidden |= {name for name in histograms if not {f"{name}_bucket", f"{name}_sum"} & shown}
    assert hidden == {
        "endturn_rescued_generation_tokens",  # among the lengths by kind
        "endturn_http_request_seconds",  # by adapter where it matters
    }


def test_panels_have_titles_descriptions_and_one_source() -> None:
    board = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    titles = [panel["title"] for panel in panels]
    assert len(set(titles)) == len(titles) > 20
    for panel in panels:
        assert panel["description"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


def test_provisioning_files_are_yaml_that_grafana_reads() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())
    boards = yaml.safe_load((provisioning / "dashboards" / "endturn.yaml").read_text())
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())
    interval = scraped["global"]["scrape_interval"]
    assert sources["apiVersion"] == boards["apiVersion"] == 1
    assert sources["datasources"][0]["jsonData"]["timeInterval"] == interval
    assert boards["providers"][0]["type"] == "file"
    assert [job["job_name"] for job in scraped["scrape_configs"]] == ["endturn"]
