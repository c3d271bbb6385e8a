"""`make demo`: all of it comes up, keeps guests from starting anything, and leaves nothing behind."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from examples.demo import proxy
from examples.demo.__main__ import Demo as TheDemo
from examples.demo.children import Failed
from examples.demo.demo_folder import DemoFolder
from tests.services.demo import (
    CLIENT,
    Demo,
    an_operator_of_each_role_signs_in,
    guests_find_closed_what_no_module_closes,
    nobody_names_another_identity_server,
    running,
    the_doctor_finds_nothing_open,
    who_is_invited_comes_in_through_the_same_door,
)
from tests.services.processes import ROOT
from tests.services.waiting import wait_for

pytestmark = pytest.mark.synapse

CLOSED_TO_GUESTS = "room_closed_to_guests"


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo")) as demo:
        yield demo


def processes_of(folder: Path) -> list[str]:
    """What runs with this folder in its command line or as its place."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            place = str((entry / "cwd").readlink())
        except OSError:
            continue  # it ended while we looked
        if str(folder) in command or place.startswith(str(folder)):
            found.append(command)
    return found


def test_the_whole_demo(started):
    demo, facts = started, started.facts
    shape_is_as_promised(facts)
    written = Path(facts["ca_file"]).with_name("demo.json")
    assert written.stat().st_mode & 0o077 == 0  # it holds passwords
    everything_answers(demo)
    guests_answer_and_agents_begin(demo)
    an_invitation_by_mail_reaches_the_mailbox(demo)
    guests_find_closed_what_no_module_closes(demo)
    who_is_invited_comes_in_through_the_same_door(demo)
    nobody_names_another_identity_server(demo)
    the_doctor_finds_nothing_open(demo)
    an_operator_of_each_role_signs_in(demo)
    folder = Path(demo.facts["ca_file"]).parent
    assert len(processes_of(folder)) > 4
    assert demo.child.stop(signal.SIGINT) == 0, demo.child.log
    assert processes_of(folder) == []
    assert not (folder / "demo.json").exists()


def shape_is_as_promised(facts):
    own = {"guichet", "console", "mailbox", "ca_file", "proxy"}
    assert set(facts) == own | {"homeservers", "users", "room", "operators", "domain_request"}
    assert facts["proxy"] is True  # the suite installs nginx
    homes = {"agent": "agents", "guest": "guests", "mixed_agent": "mixed", "mixed_guest": "mixed"}
    assert set(facts["homeservers"]) == {"agents", "guests", "mixed"}
    for homeserver in facts["homeservers"].values():
        assert set(homeserver) == {"server_name", "client_url"}
    assert {role: user["homeserver"] for role, user in facts["users"].items()} == homes
    for user in facts["users"].values():
        assert set(user) == {"user_id", "password", "access_token", "homeserver"}
        name = facts["homeservers"][user["homeserver"]]["server_name"]
        assert user["user_id"].endswith(f":{name}")


def everything_answers(demo):
    facts = demo.facts
    assert demo.get(f"{facts['guichet']}/readyz").ok
    assert demo.get(facts["mailbox"]).json() == []
    assert demo.get(f"{facts['guichet']}/_matrix/identity/versions").ok
    for homeserver in facts["homeservers"].values():
        assert demo.get(f"{homeserver['client_url']}/_matrix/client/versions").ok
    for user in facts["users"].values():
        client_url = facts["homeservers"][user["homeserver"]]["client_url"]
        asked = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user["user_id"]},
            "password": user["password"],
        }
        answer = requests.post(f"{client_url}{CLIENT}/login", json=asked, timeout=60)
        assert answer.ok, answer.text


def guests_answer_and_agents_begin(demo):
    for role in ("agent", "mixed_agent"):
        assert demo.ask(role, "/createRoom").ok
    for role in ("guest", "mixed_guest"):
        answer = demo.ask(role, "/createRoom")
        assert answer.status_code == 403
        assert answer.json()["org.guichet.reason"] == "guest_may_not_create_room"
    users, room = demo.facts["users"], f"/rooms/{quote(demo.facts['room'])}"
    for role in ("guest", "mixed_guest"):
        answer = demo.ask("agent", f"{room}/invite", user_id=users[role]["user_id"])
        assert answer.json()["org.guichet.reason"] == CLOSED_TO_GUESTS
        assert answer.status_code == 403
    assert demo.ask("agent", f"{room}/invite", user_id=users["mixed_agent"]["user_id"]).ok
    joined = demo.ask("mixed_agent", f"/join/{quote(demo.facts['room'])}")
    assert joined.ok, joined.text


def an_invitation_by_mail_reaches_the_mailbox(demo):
    user, guichet = demo.facts["users"]["agent"], demo.facts["guichet"]
    rule = {"type": "im.vector.room.access_rules", "content": {"rule": "unrestricted"}}
    made = demo.ask(
        "agent", "/createRoom", preset="private_chat", initial_state=[rule | {"state_key": ""}]
    )
    room = f"/rooms/{quote(made.json()['room_id'])}"
    proof = demo.ask("agent", f"/user/{quote(user['user_id'])}/openid/request_token").json()
    register = f"{guichet}/_matrix/identity/v2/account/register"
    token = requests.post(register, json=proof, verify=demo.facts["ca_file"], timeout=60).json()
    by_mail = {
        "medium": "email",
        "address": "lea.petit@asso.example",
        "id_server": guichet.removeprefix("https://"),
        "id_access_token": token["token"],
    }
    answer = demo.ask("agent", f"{room}/invite", **by_mail)
    assert answer.ok, answer.text
    mails = wait_for(lambda: demo.get(demo.facts["mailbox"]).json(), what="the mail is there")
    assert [mail["to"] for mail in mails] == ["lea.petit@asso.example"]


def test_without_nginx_the_rest_starts_and_one_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(proxy, "program", lambda: None)
    demo = TheDemo(tmp_path, 20_000)
    assert all(each.own_url == each.client_url for each in demo.homeservers)
    demo.start_proxy()
    assert demo.running == []
    assert capsys.readouterr().err.count("nginx is not installed") == 1


def test_each_start_begins_afresh(tmp_path):
    with DemoFolder(tmp_path / "demo") as place:
        (place.folder / "agents").mkdir()
        (place.folder / "agents/homeserver.db").write_text("of the last time")
        place.publish({"guichet": "https://localhost:1"})
        assert json.loads(place.facts_file.read_text()) == {"guichet": "https://localhost:1"}
    assert not place.facts_file.exists()
    with DemoFolder(tmp_path / "demo") as place:
        assert [entry.name for entry in place.folder.iterdir()] == [".demo"]


def test_a_folder_of_others_or_of_a_running_demo_is_left_alone(tmp_path):
    (tmp_path / "precious").write_text("not of a demo")
    with pytest.raises(Failed, match="not empty"), DemoFolder(tmp_path):
        pass
    assert (tmp_path / "precious").exists()
    with DemoFolder(tmp_path / "demo") as place:
        place.publish({})
        with pytest.raises(Failed, match="that runs"), DemoFolder(tmp_path / "demo"):
            pass
        assert place.facts_file.exists()


def test_a_port_that_is_taken_is_said_before_anything_starts(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1] - 3)
        done = subprocess.run(
            [sys.executable, "-m", "examples.demo", "--folder", tmp_path / "x", "--port", port],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1
    assert "choose others" in done.stderr
    assert not (tmp_path / "x").exists()
