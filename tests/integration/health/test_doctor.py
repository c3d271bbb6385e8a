"""`guichet doctor` names what is wrong, and what mends it."""

import json
import socket
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from identity.core.keyed_hashes import HashingKey
from identity.invitations import mute_models as mutes
from identity.mail import models as mails
from identity.mail.models import MailState
from identity.mail.quota import Template
from tests.services.keys import PUBLIC_HALF
from tests.services.waiting import free_port
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION

KEYS = {
    "GUICHET_SECRET_KEYS": "a-secret-key-that-is-long-enough-1",
    "GUICHET_STORAGE_KEYS": "another-secret-key-that-is-long-enough",
    "GUICHET_HOMESERVER_PUBLIC_KEY": PUBLIC_HALF.text,
}


def states(findings) -> dict[str, str]:
    return {each["what"]: each["state"] for each in findings}


def test_at_home_nothing_fails_and_a_missing_default_is_told(run):
    findings = run.json("doctor")
    assert states(findings) == {
        "settings": "ok",
        "database": "ok",
        "worker": "attention",
        "scheduler": "attention",
        "rules": "attention",
        "outbox": "ok",
        "console": "ok",
        "opt-outs": "attention",
        "relay": "ok",
    }
    assert "--guests" in run("doctor").stdout


def test_homeservers_are_asked(federation):
    findings = federation.json("doctor", ends=1)
    assert states(findings)[EDUCATION] == "failed"
    assert all(each["fix"] for each in findings if each["state"] != "ok")


def test_a_homeserver_that_answers_is_asked_for_our_module(run, told_homeserver):
    name = "told.example"
    run("homeserver", "add", name, "--url", told_homeserver.url, "--guests")
    told = [each["told"] for each in run.json("doctor") if each["what"] == name]
    assert [told[0], told[-1]] == ["it answers", "our module is loaded"]
    assert "how accounts are registered was not looked at" in told[1]  # it says nothing of it


def test_of_agents_homeservers_too_it_is_told_whether_clients_are_sent_to_the_registered_door(
    run, told_homeserver
):
    name, proxy = "told.example", "https://matrix.told.example"
    told_homeserver.published = {"m.homeserver": {"base_url": f"{told_homeserver.url}/"}}
    run("homeserver", "add", name, "--url", told_homeserver.url)

    def sent() -> dict[str, str]:
        found = [each for each in run.json("doctor") if each["what"] == name]
        [one] = [each for each in found if "clients" in each["told"]]
        return one

    assert sent()["state"] == "ok"
    run("homeserver", "set", name, "--base-url", proxy)
    found = sent()
    assert found["state"] == "attention"
    assert (told_homeserver.url in found["told"], proxy in found["told"]) == (True, True)
    assert f"public_baseurl: {proxy}" in found["fix"]
    assert f"homeserver set {name} --base-url {told_homeserver.url}" in found["fix"]
    told_homeserver.published = {"m.homeserver": {"base_url": proxy}}
    assert sent()["state"] == "ok"


def test_a_homeserver_of_which_nobody_says_who_is_in_a_room_is_named(run):
    run("homeserver", "add", "told.example", "--url", "http://127.0.0.1:1", "--guests")
    [found] = [each for each in run.json("doctor", ends=1) if each["what"] == "rooms"]
    assert found["state"] == "attention"
    assert "told.example" in found["told"]


def test_a_socket_for_homeservers_is_looked_at(run, tmp_path):
    path = tmp_path / "internal.sock"
    env = {"GUICHET_INTERNAL_LISTEN": f"unix:{path}"}

    def state(mode=None):
        if mode is not None:
            path.chmod(mode)
        findings = json.loads(run("doctor", "--json", env=env, ends=mode == 0o777).stdout)
        return states(findings)["internal listener"]

    assert state() == "attention"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        assert [state(0o660), state(0o777)] == ["ok", "failed"]


def test_an_internal_listener_for_everybody_is_a_failure(run):
    everybody = {
        "GUICHET_INTERNAL_LISTEN": "0.0.0.0:8091",
        "GUICHET_INTERNAL_NETWORKS": "10.0.0.0/8, 0.0.0.0/0",
    }
    assert "everybody" in run("doctor", ends=1, env=everybody).stdout


def test_a_homeserver_asked_without_tls_is_told(run):
    run("homeserver", "add", EDUCATION, "--url", "http://matrix.invalid")
    told = [each["told"] for each in run.json("doctor", ends=1) if each["what"] == EDUCATION]
    assert any("without TLS" in each for each in told)


def test_an_unchecked_certificate_is_shown(run):
    run("homeserver", "add", "127.0.0.1:1", "--url", "https://127.0.0.1:1", "--insecure-for-tests")
    told = [each["told"] for each in run.json("doctor", ends=1) if each["what"] == "127.0.0.1:1"]
    assert any("for tests only" in each for each in told)


def test_a_relay_and_a_broker_that_are_away_are_failures(run):
    env = {
        "GUICHET_SMTP_URL": f"smtp://127.0.0.1:{free_port()}?tls=none",
        "GUICHET_BROKER_URL": f"redis://127.0.0.1:{free_port()}/0",
    }
    shown = run("doctor", ends=1, env=env).stdout
    assert "Connection refused" in shown
    assert "GUICHET_SMTP_URL" in shown
    assert "GUICHET_BROKER_URL" in shown


@pytest.mark.redis
def test_a_relay_and_a_broker_that_answer_are_good(run, smtp_server, redis_url):
    env = {"GUICHET_SMTP_URL": smtp_server.url, "GUICHET_BROKER_URL": redis_url}
    shown = run("doctor", env=env).stdout
    assert "the relay takes mails" in shown
    assert "Redis answers" in shown
    assert not smtp_server.deliveries


def test_a_database_without_its_schema_names_the_command(run, empty_sqlite_url):
    env = KEYS | {"GUICHET_DATABASE_URL": empty_sqlite_url}
    assert "guichet db upgrade" in run("doctor", ends=1, env=env).stdout


def test_a_database_that_is_away_is_a_failure(run):
    url = f"postgresql+psycopg://guichet:the-password@127.0.0.1:{free_port()}/guichet"
    shown = run("doctor", ends=1, env=KEYS | {"GUICHET_DATABASE_URL": url}).output
    assert "does not answer" in shown
    assert "the-password" not in shown


def test_mails_that_were_given_up_are_told(run, opened, clock):
    with opened.transaction() as session:
        mail = mails.order(
            session,
            clock(),
            template=Template.VERIFY,
            address="ana@ac-rouen.example",
            language="fr",
            subject_id=uuid.uuid4(),
        )
        mail.state = MailState.GAVE_UP
    assert "guichet mail retry" in run("doctor").stdout


def test_an_unknown_setting_is_told(run):
    assert "GUICHET_NEW" in run("doctor", env={"GUICHET_NEW": "1"}).stdout


def refusals(findings) -> tuple[str, str]:
    return next((each["state"], each["told"]) for each in findings if each["what"] == "opt-outs")


def test_the_key_of_those_who_want_no_mail_is_looked_for(run, opened, clock):
    told = run.json("doctor")
    assert refusals(told) == ("attention", "their key is not made yet")
    run("db", "upgrade")
    assert refusals(run.json("doctor"))[0] == "ok"
    with opened.transaction() as session:
        before = clock() - timedelta(days=700)
        mutes.add(session, before, mailbox_hash="of a version before", sender="@zoe:a.example")
        session.execute(update(HashingKey).values(settled_at=before - timedelta(hours=1)))
    assert refusals(run.json("doctor")) == (
        "attention",
        "1 are found by the present link keys alone",
    )
    run("db", "upgrade")
    assert refusals(run.json("doctor"))[0] == "ok"


def test_a_key_of_those_who_want_no_mail_that_opens_no_more_or_is_gone_is_a_failure(
    run, opened, clock
):
    run("db", "upgrade")
    told = json.loads(
        run(
            "doctor",
            "--json",
            ends=1,
            env={"GUICHET_STORAGE_KEYS": "another-storage-key-that-is-long-too"},
        ).stdout
    )
    assert refusals(told) == ("failed", "no storage key here opens their key")
    with opened.transaction() as session:
        mutes.add(session, clock(), mailbox_hash="2.hashed", sender="@zoe:a.example")
        session.execute(delete(HashingKey))
    assert refusals(run.json("doctor", ends=1))[0] == "failed"
    assert "hashing_key" in run("db", "upgrade", ends=1).stderr


def test_one_homeserver_alone_is_asked_what_doctor_asks_of_it(run, told_homeserver):
    name = "told.example"
    run("homeserver", "add", name, "--url", told_homeserver.url, "--guests")
    run("homeserver", "add", EDUCATION, "--url", f"https://127.0.0.1:{free_port()}")
    found = run.json("homeserver", "check", name)
    *asked, rooms = found
    assert asked == [each for each in run.json("doctor", ends=1) if each["what"] == name]
    assert (rooms["what"], rooms["state"]) == ("rooms", "attention")
    assert found[0]["told"] == "it answers"
    away = run.json("homeserver", "check", EDUCATION, ends=1)
    assert [each["state"] for each in away if each["what"] == EDUCATION] == ["failed"]
    assert "does not answer as it should" in run("homeserver", "check", EDUCATION, ends=1).stdout
    unknown = run("homeserver", "check", "told.exampel", ends=1)
    assert "Close names: told.example" in unknown.stderr
