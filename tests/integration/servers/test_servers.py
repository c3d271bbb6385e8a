"""The servers of the suite do what the other tests rely on."""

import smtplib
import socket
import ssl
import uuid

import pytest
from sqlalchemy import text

from tests.services import faults

LETTER = b"From: a@example.org\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nA body.\r\n"


def send(relay, to="b@example.org"):
    with smtplib.SMTP("127.0.0.1", relay.port, timeout=60) as client:
        client.sendmail("a@example.org", [to], LETTER)


def test_every_database_is_fresh_and_real(database):
    with database.reading() as session:
        assert session.execute(text("select count(*) from accounts")).scalar_one() == 0


def test_postgresql_comes_back_after_a_kill_with_what_it_held(postgresql_server, postgresql_url):
    postgresql_server.kill()
    assert not postgresql_server.running
    postgresql_server.start()
    assert postgresql_server.running


def test_redis_starts_empty(redis_server, redis_url):
    redis_server.stop()
    redis_server.start()
    assert redis_server.running


def test_the_relay_keeps_what_it_takes(smtp_server):
    send(smtp_server)
    [delivery] = smtp_server.deliveries
    assert delivery.raw == LETTER
    assert smtp_server.to("b@example.org")[0]["Subject"] == "hello"


def test_the_relay_answers_as_told(smtp_server):
    smtp_server.replies["b@example.org"] = "550 5.1.1 no such mailbox"
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(smtp_server)
    assert not smtp_server.deliveries


def test_the_relay_can_hang_up_after_the_mail(smtp_server):
    smtp_server.drops_after_data = True
    with pytest.raises(smtplib.SMTPServerDisconnected):
        send(smtp_server)
    assert len(smtp_server.deliveries) == 1


def test_the_relay_goes_away_and_comes_back(smtp_server):
    smtp_server.stop()
    with pytest.raises(ConnectionRefusedError):
        send(smtp_server)
    smtp_server.start()
    send(smtp_server)
    assert len(smtp_server.deliveries) == 1


def test_the_relay_speaks_tls(smtp_servers, authority):
    relay = smtp_servers(certificate=authority.issue())
    trusting = ssl.create_default_context(cafile=authority.ca_file)
    with smtplib.SMTP("localhost", relay.port, timeout=60) as client:
        client.starttls(context=trusting)
        client.sendmail("a@example.org", ["b@example.org"], LETTER)
    assert relay.deliveries[0].tls


def test_the_silent_relay_never_greets(silent_smtp):
    with socket.create_connection(("127.0.0.1", silent_smtp.port), timeout=5) as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_synapse_keeps_its_accounts_over_a_restart(synapse):
    ana = f"ana{uuid.uuid4().hex[:8]}"  # new: the Synapse is the session's, and a test may be tried again
    user_id = synapse.register(ana, "a long password")["user_id"]
    synapse.stop()
    assert not synapse.running
    synapse.start()
    assert synapse.log_in(ana, "a long password").json()["user_id"] == user_id
    assert user_id == f"@{ana}:{synapse.server_name}"
    answer = synapse.call("GET", f"/_synapse/admin/v2/users/{user_id}")
    assert answer.json()["name"] == user_id


def test_each_browser_context_has_its_own_cookies(browser_contexts):
    first, second = browser_contexts(), browser_contexts(locale="fr-FR")
    first.add_cookies([{"name": "a", "value": "1", "url": "http://127.0.0.1"}])
    assert first.cookies()
    assert not second.cookies()


def test_a_process_is_started_followed_and_killed(guichet_processes):
    child = guichet_processes.start(
        "python", "-c", "print('here'); import time; time.sleep(60)", env={}
    )
    child.wait_for_log("here")
    child.kill()
    assert not child.running


def test_rows_of_one_fault_become_one_and_the_columns_stand_under_one_another():
    rows = faults.merged(
        [
            ["b", 2, 2, 0, 1, 3.25, "first"],
            ["A longer one", 1, 1, 0, 0, None, "-"],
            ["b", 3, 2, 1, 0, 1.0, "last"],
        ]
    )
    assert rows == [["A longer one", 1, 1, 0, 0, None, "-"], ["b", 5, 4, 1, 1, 3.25, "last"]]
    head, rule, _, row = faults.lines(rows)
    bars = [[at for at, letter in enumerate(line) if letter == "|"] for line in (head, rule, row)]
    assert bars[0][:-1] == bars[1][:-1] == bars[2][:-1]
    assert row.split() == [
        "|",
        "b",
        "|",
        "5",
        "|",
        "4",
        "|",
        "1",
        "|",
        "1",
        "|",
        "3.2",
        "|",
        "last",
        "|",
    ]
