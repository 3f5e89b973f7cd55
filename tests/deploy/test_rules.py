"""Alert and recording rules: what they read exists, each says what to do, and promtool's unit tests catch a wrong one."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry

from server.observing.metrics import Metrics
from tests.deploy.promql import DEPLOY, RULES, alerts, metrics_in, rules

TESTS = DEPLOY / "prometheus" / "endturn_test.yaml"
# Prometheus's own, and every process's.
FROM_ELSEWHERE = {"up", "process_start_time_seconds"}
SUFFIXES = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian's package prometheus has it); rules were only parsed",
)


def server_metrics() -> set[str]:
    families = Metrics(CollectorRegistry()).registry.collect()
    return {family.name + suffix for family in families for suffix in SUFFIXES[family.type]}


def promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True)


def test_every_rule_reads_metrics_that_exist() -> None:
    known = server_metrics() | FROM_ELSEWHERE
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        assert metrics_in(rule["expr"]) <= known, name
        if "record" in rule:
            known.add(name)


def test_every_recording_rule_is_read_by_something() -> None:
    read = set().union(*(metrics_in(rule["expr"]) for rule in rules()))
    tested = TESTS.read_text()
    for rule in rules():
        if "record" in rule:
            assert rule["record"] in read or rule["record"] in tested, rule["record"]


@pytest.mark.parametrize("name", alerts())
def test_alert_says_how_bad_it_is_and_what_to_do(name: str) -> None:
    alert = alerts()[name]
    assert name.startswith("Endturn")
    assert alert["labels"]["severity"] in {"info", "warning", "critical"}
    assert re.fullmatch(r"\d+m", alert["for"])
    summary, description = alert["annotations"]["summary"], alert["annotations"]["description"]
    assert len(summary) <= 125
    assert len(description.split(". ")) >= 2, "what it means, and what to do"
    labels = set(re.findall(r"\$labels\.(\w+)", summary))
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", alert["expr"]))))
    from_rules = {"job", "adapter", "kind", "reason", "instance"}
    assert labels <= kept | from_rules


def test_limits_that_clients_set_are_left_out_but_for_the_length() -> None:
    by_limit = {
        rule.get("alert") or rule["record"]
        for rule in rules()
        if "endturn_runaway_total" in metrics_in(rule["expr"])
        and 'limit!="client"' not in rule["expr"]
    }
    assert by_limit == {"adapter:endturn_runaway_any_limit:ratio_rate10m"}
    readers = [name for name, alert in alerts().items() if by_limit & metrics_in(alert["expr"])]
    assert readers == ["EndturnRunawayFarTooLong"]


@pytest.mark.parametrize("name", alerts())
def test_alert_is_unit_tested(name: str) -> None:
    text = TESTS.read_text()
    assert re.search(rf'alertname="{name}", (alertstate="firing"|adapter=)', text)


@needs_promtool
def test_promtool_takes_rules_and_configuration() -> None:
    checked = promtool("check", "config", DEPLOY / "prometheus" / "prometheus.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    linted = promtool("check", "rules", "--lint=all", "--lint-fatal", RULES)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@needs_promtool
def test_unit_tests_of_the_rules_pass() -> None:
    tested = promtool("test", "rules", TESTS)
    assert tested.returncode == 0, tested.stdout + tested.stderr


@needs_promtool
def test_unit_tests_of_the_rules_fail_on_wrong_rules(tmp_path: Path) -> None:
    """No alert fires any more, and each is missed."""
    data = yaml.safe_load(RULES.read_text())
    wrong = set()
    for group in data["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                wrong.add(rule["alert"])
                rule["expr"] = f"({rule['expr']}) unless on () vector(1)"
    (tmp_path / RULES.name).write_text(yaml.safe_dump(data))
    (tmp_path / TESTS.name).write_text(TESTS.read_text())
    tested = promtool("test", "rules", tmp_path / TESTS.name)
    assert tested.returncode != 0
    missed = [name for name in wrong if name not in tested.stdout + tested.stderr]
    assert not missed, "no unit test wants these alerts to fire"
