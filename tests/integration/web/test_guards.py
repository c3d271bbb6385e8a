"""Homeservers are known by their credential, or by calling the internal listener from near."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from identity.homeservers.credentials import HomeserverCredential
from tests.worlds.api import *
from tests.worlds.api import ask

ADDRESS = "ana@ac-rouen.example"


def internal_info(client, **how):
    return ask(client, ADDRESS, path="/internal-info", **how)


def is_refused(answer) -> bool:
    return (answer.status_code, answer.json["errcode"]) == (403, "M_FORBIDDEN")


@pytest.mark.parametrize("ip", ["127.0.0.1", "::1", "10.9.0.1", "203.0.113.5"])
def test_the_public_listener_asks_everybody_for_a_credential(public, ip):
    assert is_refused(internal_info(public, ip=ip))


def test_a_credential_is_enough_on_both_listeners_from_everywhere(either, credential):
    through_a_proxy = credential | {"X-Forwarded-For": "198.51.100.7"}
    for headers in (credential, through_a_proxy):
        answer = internal_info(either, ip="203.0.113.5", headers=headers)
        assert answer.status_code == 200
        assert answer.json["hs"] == "education.example"


def test_a_homeserver_may_ask_about_the_people_of_another(public, credential):
    answer = ask(public, "ana@defense.example", path="/internal-info", headers=credential)
    assert answer.json["hs"] == "inside.example"


@pytest.mark.parametrize(
    "header",
    ["Bearer", "Bearer ", "Bearer guess", "bearer guichet_x", "Bearer é", "Bearer " + "x" * 9000],
)
def test_a_wrong_credential_is_refused_on_both_listeners(either, credential, header):
    headers = {"Authorization": header.encode().decode("latin-1")}
    assert is_refused(internal_info(either, headers=headers))


@pytest.mark.parametrize("change", [str.lower, lambda token: token + "x", lambda token: token[:-1]])
def test_nearly_the_credential_is_not_the_credential(public, credential, change):
    token = credential["Authorization"].removeprefix("Bearer ")
    assert is_refused(internal_info(public, headers={"Authorization": f"Bearer {change(token)}"}))


@pytest.mark.parametrize("header", ["Basic {}", "{}", "X-Matrix {}"])
def test_a_credential_is_a_bearer_token_and_nothing_else(public, credential, header):
    token = credential["Authorization"].removeprefix("Bearer ")
    assert is_refused(internal_info(public, headers={"Authorization": header.format(token)}))


def test_a_retired_credential_is_refused(services, public, credential, clock):
    with services.database.transaction() as session:
        row = session.scalars(select(HomeserverCredential)).one()
        row.retires_at = clock() + timedelta(hours=1)
    assert internal_info(public, headers=credential).status_code == 200
    clock.advance(hours=1)
    assert is_refused(internal_info(public, headers=credential))


@pytest.mark.parametrize(
    ("ip", "status"),
    [
        ("127.0.0.1", 200),
        ("10.9.0.1", 200),
        ("::ffff:127.0.0.1", 200),
        ("10.9.1.1", 403),
        ("203.0.113.5", 403),
        ("::1", 403),  # not among the networks of these settings
        ("", 403),
        ("not an address", 403),
    ],
)
def test_the_internal_listener_answers_its_networks_without_a_credential(internal, ip, status):
    assert internal_info(internal, ip=ip).status_code == status


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-For", ""),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 proxy"),
    ],
)
def test_the_internal_listener_refuses_whatever_came_through_a_proxy(internal, header, value):
    assert is_refused(internal_info(internal, headers={header: value}))


def test_nobody_speaks_his_way_into_the_internal_networks(internal):
    headers = {"X-Forwarded-For": "127.0.0.1"}
    assert is_refused(internal_info(internal, ip="203.0.113.5", headers=headers))


def test_who_may_not_ask_learns_nothing_about_his_question(public):
    answers = {ask(public, text, path="/internal-info").data for text in (ADDRESS, "not one", "")}
    assert len(answers) == 1


def test_everybody_may_ask_for_info(either):
    assert ask(either, ADDRESS, ip="203.0.113.5").status_code == 200
