"""Behind a proxy people are told apart, in whatever form it writes them; whoever it does not name is told in the log."""

import pytest

from tests.worlds.pages import *

ADDRESSES = 30  # from one subscriber in an hour


@pytest.fixture
def settings(tmp_path):
    return {"data_dir": tmp_path, "_env_file": None, "trusted_proxies": "127.0.0.1, unix"}


def start(ana, number: int, header: str | None, peer="127.0.0.1"):
    token = ana.get("/start").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    return ana.client.post(
        "/start",
        data={"csrf_token": token, "email": f"a{number}@ac-rouen.example"},
        headers={} if header is None else {"X-Forwarded-For": header},
        environ_base={"REMOTE_ADDR": peer},
    ).status_code


@pytest.mark.parametrize("peer", ["127.0.0.1", "::ffff:127.0.0.1", ""])
@pytest.mark.parametrize(
    "form",
    ["203.0.113.{}", "203.0.113.{}:4711", '"[::ffff:203.0.113.{}]:80"', "[2001:db8:{}::1]:9"],
)
def test_many_people_behind_one_proxy_do_not_share_a_budget(site, ana, peer, form):
    answers = {start(ana, n, form.format(n), peer) for n in range(1, ADDRESSES + 3)}
    assert answers == {303}
    spent = [start(ana, n, form.format(1), peer) for n in range(100, 100 + ADDRESSES)]
    assert spent[-1] == 429


def test_whom_the_proxy_does_not_name_is_counted_apart_and_told_once(site, ana, caplog):
    answers = [start(ana, n, "unknown") for n in range(ADDRESSES + 1)]
    assert (answers[0], answers[-1]) == (303, 429)
    assert start(ana, 99, "203.0.113.7") == 303
    assert start(ana, 98, None) == 303
    told = [line for line in caplog.messages if "`unknown`" in line]
    assert len(told) == 1
