"""What deploy/ has for Prometheus and Grafana works, speaks of metrics that exist, and each alert has its runbook."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import yaml

from identity.core import exposition
from identity.core.metrics import FAMILIES, NAMESPACE
from identity.health.measured import GAUGES
from tests.services.children import Child, MissingService
from tests.services.waiting import LOOPBACK, free_port

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/prometheus"
DASHBOARD = ROOT / "deploy/grafana/guichet.json"
RUNBOOKS = ROOT / "docs/runbooks.md"
PARTS = ("What it means", "What people see", "What to do", "How to know it is over")
# What Prometheus itself adds.
FOREIGN = {"up", "ALERTS"}
WORDS = {
    *("sum", "max", "min", "by", "le", "rate", "increase", "histogram_quantile", "time", "abs"),
    *("unless", "or", "and", "count", "topk", "scalar", "vector", "without", "absent", "on"),
}


def read_rules() -> list[dict]:
    rules = yaml.safe_load((FOLDER / "rules.yml").read_text(encoding="utf-8"))
    return [rule for group in rules["groups"] for rule in group["rules"]]


def samples_that_exist() -> dict[str, set[str]]:
    """Each name of a sample, with the labels it has."""
    found = {NAMESPACE + gauge.name: {*gauge.labels} for gauge in GAUGES}
    found[exposition.BUILD] = {"version"}
    for family in FAMILIES:
        if family.kind == "histogram":
            labels = {*family.labels}
            found |= {f"{family.name}_bucket": labels | {"le"}}
            found |= {f"{family.name}_{end}": labels for end in ("sum", "count")}
        else:
            found[family.name] = {*family.labels}
    return found


def expressions() -> list[tuple[str, str]]:
    dashboard = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", ())
    ]
    return panels + [(rule["alert"], rule["expr"]) for rule in read_rules()]


ALERTS = [rule["alert"] for rule in read_rules()]


def promtool(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("promtool") is None:
        raise MissingService("Prometheus is not installed: apt-get install prometheus")
    return subprocess.run(
        ["promtool", *words], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=120
    )


def test_the_rules_and_the_sample_configuration_are_valid():
    for words in (("check", "rules", "rules.yml"), ("check", "config", "prometheus.yml")):
        answer = promtool(*words)
        assert answer.returncode == 0, answer.stdout + answer.stderr


def test_each_alert_fires_when_it_must_and_stays_silent_otherwise():
    answer = promtool("test", "rules", "rules.test.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    tests = yaml.safe_load((FOLDER / "rules.test.yml").read_text(encoding="utf-8"))["tests"]
    names = {test["name"] for test in tests}
    assert names == {f"{alert} {end}" for alert in ALERTS for end in ("fires", "stays silent")}


def test_promtool_notices_a_test_that_is_not_true(tmp_path):
    """Otherwise the test above would show nothing."""
    for name in ("rules.yml", "rules.test.yml"):
        shutil.copy(FOLDER / name, tmp_path / name)
    tests = tmp_path / "rules.test.yml"
    tests.write_text(tests.read_text().partition("  - name: GuichetDatabaseFaults")[0])
    assert promtool("test", "rules", str(tests)).returncode == 0
    rules = tmp_path / "rules.yml"
    rules.write_text(rules.read_text().replace("guichet_database_up == 0", "vector(0) == 1"))
    assert promtool("test", "rules", str(tmp_path / "rules.test.yml")).returncode != 0


@pytest.mark.parametrize(("where", "expression"), expressions())
def test_every_expression_speaks_of_metrics_and_labels_that_exist(where, expression):
    exists = samples_that_exist()
    without_texts = re.sub(r'"[^"]*"', '""', expression)
    named = set(
        re.findall(r"(?<![\w$])[a-zA-Z_]\w*(?=\s*(?:\{|\[|\)|$|[-+*/<>=!]| ))", without_texts)
    )
    metrics = {name for name in named if name.startswith("guichet_") or name in FOREIGN}
    assert metrics, where
    assert metrics - FOREIGN <= exists.keys()
    labels = set(re.findall(r"[{,]\s*(\w+)\s*(?:=~|!~|!=|=)", without_texts))
    labels |= {
        name.strip()
        for grouped in re.findall(r"by \(([^)]*)\)", without_texts)
        for name in grouped.split(",")
    }
    possible = set().union(*(exists.get(name, set()) for name in metrics))
    possible |= {"job", "instance"} | (
        {"alertname", "alertstate"} if "ALERTS" in metrics else set()
    )
    assert labels <= possible


def test_every_metric_is_on_the_dashboard():
    text = DASHBOARD.read_text(encoding="utf-8")
    names = [family.name for family in FAMILIES] + [NAMESPACE + gauge.name for gauge in GAUGES]
    assert not [name for name in names if name not in text]


def sections() -> dict[str, str]:
    found = re.split(r"^## (\w+)$", RUNBOOKS.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(found[::2], found[1::2], strict=True))


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    assert sorted(sections()) == sorted(ALERTS)
    assert len(ALERTS) == len(set(ALERTS))


@pytest.mark.parametrize("rule", read_rules(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_how_bad_it_is_and_where_to_read_on(rule):
    severity = rule["labels"]["severity"]
    assert severity in {"page", "ticket"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{rule['alert'].lower()}"
    assert rule["annotations"]["summary"].endswith(".")
    told = sections()[rule["alert"]]
    assert told.strip().startswith(f"*{severity.capitalize()}.*")
    assert re.findall(r"^- \*\*(.+?)\.\*\*", told, re.MULTILINE) == [*PARTS]


def test_links_between_runbooks_lead_to_one():
    anchors = {name.lower() for name in sections()}
    links = re.findall(r"\]\(#([\w-]+)\)", RUNBOOKS.read_text(encoding="utf-8"))
    assert links
    assert set(links) <= anchors


@pytest.fixture
def prometheus(tmp_path) -> Iterator:
    """Starts a real Prometheus with the sample configuration, at other ports; gives its URL."""
    program = shutil.which("prometheus")
    if program is None:
        raise MissingService("Prometheus is not installed: apt-get install prometheus")
    children: list[Child] = []

    def start(internal: int, worker: int) -> str:
        text = (FOLDER / "prometheus.yml").read_text(encoding="utf-8")
        text = text.replace("127.0.0.1:8091", f"{LOOPBACK}:{internal}")
        text = text.replace("127.0.0.1:8092", f"{LOOPBACK}:{worker}").replace("15s", "3s")
        text = text.replace("scrape_timeout: 10s", "scrape_timeout: 3s")
        config = tmp_path / "prometheus.yml"
        config.write_text(text, encoding="utf-8")
        shutil.copy(FOLDER / "rules.yml", tmp_path / "rules.yml")
        port = free_port()
        argv = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={tmp_path / 'tsdb'}",
            f"--web.listen-address={LOOPBACK}:{port}",
        ]
        children.append(Child(argv, log=tmp_path / "prometheus.log", env={}, cwd=tmp_path))
        return f"http://{LOOPBACK}:{port}"

    yield start
    for child in children:
        child.kill()
        print(child.log)  # noqa: T201  pytest shows it when the test failed


def alerts(url: str) -> set[str] | None:
    """Those that fire or are pending; None before every rule was evaluated without a fault."""
    groups = requests.get(f"{url}/api/v1/rules", timeout=10).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    if [rule["name"] for rule in rules if rule["health"] == "ok"] != ALERTS:
        return None
    return {rule["name"] for rule in rules if rule["state"] != "inactive"}


@pytest.mark.flaky(reruns=1)
def test_a_real_prometheus_reads_a_real_guichet(guichet_processes, prometheus):
    """`guichet serve`: the public site counts, the internal listener shows it; the worker shows its own."""
    internal, worker = free_port(), free_port()
    env = {
        "GUICHET_INTERNAL_LISTEN": f"{LOOPBACK}:{internal}",
        "GUICHET_WORKER_METRICS_LISTEN": f"{LOOPBACK}:{worker}",
    }
    web = guichet_processes.serve(env)
    page = requests.get(f"{web.url}/start", timeout=60)
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[1]
    requests.post(
        f"{web.url}/start",
        data={"email": "camille.durand@ac-rouen.example", "csrf_token": token},
        cookies=page.cookies,
        timeout=60,
    )
    assert requests.get(f"{web.url}/metrics", timeout=60).status_code == 404
    url = prometheus(internal, worker)

    def value(query: str) -> float | None:
        try:
            answer = requests.get(f"{url}/api/v1/query", params={"query": query}, timeout=10)
        except requests.RequestException:
            return None
        if not answer.ok:  # it is not ready yet
            return None
        found = answer.json()["data"]["result"]
        return float(found[0]["value"][1]) if found else None

    def reads(query: str, expected: float) -> None:
        web.wait_until(lambda: value(query) == expected, what=f"{query} is {expected}")

    reads("sum(up)", 2)
    reads("guichet_database_up", 1)
    reads('guichet_http_requests_total{listener="public",route="/start",method="POST"}', 1)
    reads('sum(guichet_sign_ups_total{step="started"})', 1)
    reads('sum(guichet_mails_total{job="guichet-worker",template="verify",outcome="handed"})', 1)
    reads('guichet_nodes{kind="worker"}', 1)
    reads('sum(guichet_jobs_total{job="guichet-worker",kind="mail",outcome="done"})', 1)
    # On an installation that is new and idle, no alert fires or is about to.
    web.wait_until(lambda: alerts(url) == set(), what="no alert is pending")
    guichet_processes.guichet("freeze", "mails", "--reason", "a test", env=env)
    web.wait_until(lambda: alerts(url) == {"GuichetFrozen"}, what="the freeze is seen")
    metrics = requests.get(f"http://{LOOPBACK}:{worker}/metrics", timeout=60)
    assert "camille" not in metrics.text
    page_of_a_browser = {"Origin": "https://evil.example"}
    refused = requests.get(metrics.url, headers=page_of_a_browser, timeout=60)
    assert refused.status_code == 403
    assert requests.get(metrics.url.replace("/metrics", "/"), timeout=60).status_code == 404
