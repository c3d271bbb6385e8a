"""One id follows a sign-up through the logs of all processes: from the form to the mail and the account, on a real Synapse."""

import json
import re

from tests.services.children import Child
from tests.services.person import Person, code_in, plain
from tests.services.production import ask_database, wait_until_done
from tests.services.waiting import wait_for
from tests.worlds.accounts_on_synapse import *

FROM_PROXY = "5f0c2c9e7ad94d7b8f1f0a6d3c2b1a09"
OTHERS = [f"{name}@ac-rouen.example" for name in ("ana", "bruno")]


def lines_of(child: Child, trace_id: str) -> list[dict]:
    """What an operator finds who searches this log for the id."""
    lines = [json.loads(line) for line in child.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line.get("trace_id") == trace_id]


def test_one_id_finds_the_form_the_mail_and_the_account_and_nothing_of_others(
    on_synapse, guichet_processes, smtp_server, address
):
    trusting = on_synapse | {"GUICHET_TRUSTED_PROXIES": "127.0.0.1/32"}
    web = guichet_processes.gunicorn(trusting, "--workers", "2", "--threads", "4")
    worker = guichet_processes.worker(on_synapse, "--concurrency", "3")
    camille = Person(web.url)
    camille.session.headers["X-Request-ID"] = FROM_PROXY
    answer = camille.ask(address)
    started = answer.history[0] if answer.history else answer
    assert started.headers["X-Request-ID"] == FROM_PROXY
    del camille.session.headers["X-Request-ID"]
    for other in OTHERS:
        Person(web.url).ask(other)
        smtp_server.wait_for_mail(other)
    camille.type_code(code_in(plain(smtp_server.wait_for_mail(address))))
    camille.choose()
    assert camille.page.url.endswith("/done")
    smtp_server.wait_for_mail(address, number=2)
    wait_until_done(on_synapse)
    stored = dict(ask_database(on_synapse, "select id, trace_id from mails"))
    hers = {str(mail) for mail, trace in stored.items() if trace == FROM_PROXY}

    def worked() -> list[dict]:
        return [line for line in lines_of(worker, FROM_PROXY) if "outcome" in line]

    # What is done in the database is in the log a moment later.
    wait_for(lambda: len(worked()) > len(hers), what="the log has her mails, and the account")

    asked = [line for line in lines_of(web, FROM_PROXY) if line["event"] == "request"]
    posted = [(line["route"], line["status"]) for line in asked if line["method"] == "POST"]
    assert posted[0] == ("/start", 303)
    assert ("/check/<int:n>", 303) in posted
    assert ("/account/<int:n>", 303) in posted
    own = [line["request_id"] for line in asked if line["request_id"] != FROM_PROXY]
    assert len(set(own)) == len(own) > 3
    lines = worked()
    done = {(line["kind"], line.get("template")) for line in lines if line["outcome"] == "done"}
    assert {("mail", "verify"), ("mail", "welcome"), ("account", None)} <= done
    # The same mark stands for the address in every process, and the address in none.
    marks = {line["address"] for line in (*asked, *lines) if "address" in line}
    assert len(marks) == 1
    assert re.fullmatch(r"[0-9a-f]{16}", marks.pop())
    for log in (web.log, worker.log):
        assert "camille" not in log
    assert {line["mail"] for line in lines if "mail" in line} == hers
    assert len(hers) == len(smtp_server.to(address))
    theirs = {trace for trace in stored.values() if trace != FROM_PROXY}
    assert len(theirs) == len(OTHERS) == len(stored) - len(hers)
    for trace in theirs:
        assert [line for line in lines_of(worker, trace) if line.get("kind") == "mail"]
