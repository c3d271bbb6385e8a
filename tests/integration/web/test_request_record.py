"""Each request has an id, one line in the log and one count; none of them tells whom it was about."""

import io
import json
import logging
import re
from dataclasses import replace

import pytest

from identity.app import create_app
from identity.core import logging as logs, metrics
from identity.settings import Settings
from tests.worlds.api import *
from tests.worlds.api import ask

ADDRESS = "ana@ac-rouen.example"
FROM_PROXY = "0123456789abcdef0123456789abcdef"
OUR_OWN = re.compile(r"[0-9a-f]{16}")


@pytest.fixture
def lines():
    """What the log holds by now, as an operator's collector reads it: one JSON object a line."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    logs.set_up()
    written = io.StringIO()
    root.handlers[0].setStream(written)

    def lines() -> list[dict]:
        return [json.loads(line) for line in written.getvalue().splitlines()]

    yield lines
    root.handlers[:], root.level = before


def request_lines(found: list[dict]) -> list[dict]:
    return [line for line in found if line["event"] == "request"]


def counted(**labels: str) -> float:
    return sum(
        sample.value
        for metric in metrics.HTTP_REQUESTS.collect()
        for sample in metric.samples
        if sample.labels.items() >= labels.items()
    )


def test_an_answer_names_the_id_that_its_line_has(either, lines):
    answer = ask(either, ADDRESS)
    [line] = request_lines(lines())
    assert OUR_OWN.fullmatch(answer.headers["X-Request-ID"])
    assert line["request_id"] == line["trace_id"] == answer.headers["X-Request-ID"]
    assert line["route"] == "/_matrix/identity/api/v1/info"
    assert (line["method"], line["status"]) == ("GET", 200)
    assert line["ms"] >= 0


@pytest.mark.parametrize(
    ("ip", "sent", "is_kept"),
    [
        ("127.0.0.1", FROM_PROXY, True),  # a trusted proxy, see `settings`
        ("192.0.2.9", FROM_PROXY, True),
        ("203.0.113.5", FROM_PROXY, False),
        ("127.0.0.1", "ana@example.org", False),
        ("127.0.0.1", "x" * 65, False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "a\tb\tc\td\te", False),
    ],
)
def test_only_a_trusted_proxy_gives_an_id_and_only_a_well_formed_one(public, ip, sent, is_kept):
    answer = ask(public, ADDRESS, ip=ip, headers={"X-Request-ID": sent})
    named = answer.headers["X-Request-ID"]
    assert (named == sent) == is_kept
    assert is_kept or OUR_OWN.fullmatch(named)


def test_the_line_has_the_same_mark_for_the_same_address_and_never_the_address(
    internal, decided, lines
):
    for _ in range(2):
        ask(internal, ADDRESS, path="/internal-info")
    ask(internal, "gil@asso.example", path="/internal-info")
    found = lines()
    marks = [line["address"] for line in request_lines(found)]
    assert marks[0] == marks[1] != marks[2]
    assert marks[0] == decided.mark_of(ADDRESS)
    assert ADDRESS not in json.dumps(found)
    assert "ana" not in json.dumps(found)


def test_the_line_names_the_homeserver_of_a_credential(public, credential, lines):
    ask(public, ADDRESS, path="/internal-info", headers=credential)
    assert request_lines(lines())[0]["homeserver"] == "education.example"


@pytest.mark.parametrize(
    "path", ["/v/abcdefghijklmnopqrstuvwxyz", "/nowhere/ana@example.org", "/%76/abcdefghijkl"]
)
def test_lines_and_counts_have_the_rule_and_never_the_path(public, lines, path):
    public.get(path)
    [line] = request_lines(lines())
    assert "abcdefg" not in json.dumps(line)
    assert "ana" not in json.dumps(line)
    assert line["route"] in {"/v/<mailed:token>", "/<page_path:_path>", "(none)"}


def test_a_refusal_is_counted_by_its_route_and_status(public):
    labels = {"listener": "public", "route": "/_matrix/identity/api/v1/internal-info"}
    before = counted(**labels, method="GET", status="403")
    ask(public, ADDRESS, path="/internal-info")
    assert counted(**labels, method="GET", status="403") == before + 1


def test_a_method_nobody_knows_makes_no_label_of_its_own(public):
    before = counted(method="other")
    public.open("/start", method="BREW")
    assert counted(method="other") == before + 1
    assert counted(method="BREW") == 0


def test_error_pages_show_the_id_of_their_request(public):
    answer = public.get("/check/99", headers={"Accept-Language": "en"})
    assert answer.status_code == 404
    assert answer.headers["X-Request-ID"] in answer.get_data(as_text=True)


def test_a_request_refused_at_the_gate_has_its_line_too(internal, lines):
    answer = ask(
        internal, ADDRESS, path="/internal-info", headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    [line] = request_lines(lines())
    assert (line["status"], line["listener"]) == (403, "internal")


def as_the_others_are(record) -> str:
    other = logging.makeLogRecord(vars(record))
    return logging.getLogger().handlers[0].format(other)


def test_the_short_way_writes_what_the_long_one_would(public, lines, monkeypatch):
    ask(public, ADDRESS)
    monkeypatch.setattr(logs.RequestLine, "as_json", as_the_others_are)
    ask(public, ADDRESS)
    short, long = request_lines(lines())
    assert short.keys() == long.keys()
    changing = ("ms", "request_id", "trace_id", "timestamp")
    assert {name: short[name] for name in short if name not in changing} == {
        name: long[name] for name in long if name not in changing
    }
    assert len(short["timestamp"]) == len(long["timestamp"])


def test_a_fault_of_ours_has_its_line_and_its_count(decided, lines):
    class Broken:
        degraded = False

        def current(self):
            raise ZeroDivisionError

    app = create_app(replace(decided, rules=Broken()))
    app.config["PROPAGATE_EXCEPTIONS"] = False
    before = counted(status="500", listener="public")
    answer = ask(app.test_client(), ADDRESS)
    assert answer.status_code == 500
    assert counted(status="500", listener="public") == before + 1
    found = lines()
    assert request_lines(found)[0]["status"] == 500
    [fault] = [line for line in found if "exception" in line]
    assert fault["request_id"] == answer.headers["X-Request-ID"]


def test_the_public_site_has_no_metrics(public):
    assert public.get("/metrics").status_code == 404


def test_settings_take_no_socket_for_the_worker():
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:8092"):
        Settings(_env_file=None, worker_metrics_listen="unix:/run/x")
    assert Settings(_env_file=None, worker_metrics_listen="").worker_metrics_listen == ""
