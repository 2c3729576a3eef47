"""Alerts and dashboard: they parse, they fire and stay silent as they should, and name metrics that there are."""

import base64
import json
import re
import shutil
import urllib.request

import pytest
import yaml

from charts import CHART, only, render
from nodes import Node, free_ports
from processes import HOLDFAST, PASSWORD, ROOT, run, wait_until

RULES = CHART / "files" / "holdfast.rules.yaml"
CASES = ROOT / "tests" / "ship" / "alerts.test.yaml"


@pytest.fixture(scope="module")
def promtool():
    found = shutil.which("promtool")
    if not found:
        pytest.skip("promtool is not installed: the alerts were not tried")
    return found


def test_the_rules_are_rules(promtool):
    run(promtool, "check", "rules", RULES)


def test_the_alerts_fire_when_they_should_and_only_then(promtool):
    run(promtool, "test", "rules", CASES)


def test_every_alert_is_tried():
    named = {rule["alert"] for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
    tried = {
        case["alertname"]
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert named == tried


def test_the_chart_carries_the_rules_as_they_are():
    objects = render({"metrics": {"prometheusRule": {"enabled": True, "labels": {"release": "p"}}}})
    rule = only(objects, "PrometheusRule")
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    assert rule["metadata"]["labels"]["release"] == "p"


def test_the_monitor_finds_the_admin_service_and_no_other():
    objects = render({"metrics": {"serviceMonitor": {"enabled": True}}})
    wanted = only(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"].items()
    found = [
        name
        for (kind, name), one in objects.items()
        if kind == "Service" and one["metadata"]["labels"].items() >= wanted
    ]
    assert found == ["pay-holdfast-admin"]
    (endpoint,) = only(objects, "ServiceMonitor")["spec"]["endpoints"]
    assert endpoint["port"] in [port["name"] for port in objects["Service", found[0]]["spec"]["ports"]]


def test_the_dashboard_is_one():
    objects = render({"metrics": {"dashboard": {"enabled": True}}})
    found = objects["ConfigMap", "pay-holdfast-dashboard"]
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(found["data"]["holdfast.json"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(places) == len(set(places)) >= 12


def expressions():
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((CHART / "files" / "dashboard.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def report(node):
    """Posts one clearing of nobody's."""
    item = {
        "token": "c",
        "type": "authorization.clearing",
        "state": "COMPLETION",
        "user_token": "u",
        "amount": 1.00,
        "currency_code": "USD",
    }
    login = base64.b64encode(f"marqeta:{PASSWORD}".encode()).decode()
    urllib.request.urlopen(
        urllib.request.Request(
            f"http://127.0.0.1:{node.jit}/v1/webhooks",
            json.dumps({"transactions": [item]}).encode(),
            {"Content-Type": "application/json", "Authorization": f"Basic {login}"},
        ),
        timeout=10,
    ).read()


def test_every_metric_exists(tmp_path):
    """On a real node, after a request and a report."""
    ports = free_ports(4)
    member = f'{{ id = 1, peer = "127.0.0.1:{ports[3]}", admin = "127.0.0.1:{ports[2]}" }}'
    node = Node(1, ports, tmp_path, member)
    try:
        node.wait_ready()
        run(
            HOLDFAST,
            "probe",
            "--url",
            f"http://127.0.0.1:{node.jit}/v1/jit",
            "--authorize",
            "t",
            "--config",
            node.config,
        )
        report(node)
        seen = ('holdfast_jit_requests_total{outcome="Declined"} 1', "holdfast_webhook_items_total{")
        wait_until("both are counted", 10, lambda: all(part in node.metrics() for part in seen))
        text = node.metrics()
    finally:
        node.process.kill()
        node.process.wait()
    there = {line.split()[0].split("{")[0] for line in text.splitlines() if not line.startswith("#")}
    there |= {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    counters = {
        f"{line.split()[2]}_total"
        for line in text.splitlines()
        if line.startswith("# TYPE") and line.endswith("counter")
    }
    for where, expression in expressions():
        for name in re.findall(r"holdfast_[a-z0-9_]+", expression):
            assert name in there | counters, f"{where}: no {name}"
    outcomes = set(re.findall(r'holdfast_jit_requests_total\{outcome="(\w+)"\}', text))
    asked = {name for _, expression in expressions() for name in re.findall(r'outcome=~?"([A-Za-z|.*]+)"', expression)}
    for pattern in asked:
        assert any(re.fullmatch(pattern, outcome) for outcome in outcomes), (
            f"no outcome like {pattern} among {outcomes}"
        )
