"""`make demo`: all of it comes up, keeps guests from starting anything, and leaves nothing behind."""

import json
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import expect

from examples.demo import antivirus, people, proxy, scanner
from examples.demo.__main__ import Demo as TheDemo
from examples.demo.children import Failed
from examples.demo.demo_folder import DemoFolder
from examples.demo.screen import INVITED
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
from tests.services.demo_files import (
    no_homeserver_takes_a_virus,
    the_scanner_finds_in_encrypted_files_what_no_homeserver_can,
    the_scanner_passes_nothing_while_clamd_is_away_and_remembers_no_failure,
    what_comes_from_another_homeserver_is_scanned_too,
)
from tests.services.newcomer import Newcomer
from tests.services.processes import ROOT
from tests.services.waiting import wait_for

pytestmark = pytest.mark.synapse

CLOSED_TO_GUESTS = "room_closed_to_guests"
WINDOW = {"width": 1000, "height": 700}


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Iterator[Demo]:
    with running(tmp_path_factory.mktemp("demo"), "--scanner") as demo:
        yield demo


@pytest.fixture
def newcomer(started, browser_contexts):
    """Makes one, who lets the certificate of the demo pass."""

    def come(name: str) -> Newcomer:
        context = browser_contexts(ignore_https_errors=True, locale="en", viewport=WINDOW)
        return Newcomer(context, started.facts, name)

    return come


@pytest.fixture
def screen(started) -> list[str]:
    """The links that `make demo` shows in the end, in their order."""

    def shown():
        links = re.findall(r"^ +(https?://\S+)\n", started.child.log, re.MULTILINE)
        return links if len(links) == 3 else None

    return wait_for(shown, what="three links")


@pytest.fixture
def guest(started) -> str:
    """The address that the demo invites; another if an earlier try of the test has used it."""
    mails = started.get(started.facts["mailbox"]).json()
    if [mail["to"] for mail in mails].count(INVITED) <= 1:
        return INVITED
    ana, other = started.facts["users"]["agent"], f"zoe.{secrets.token_hex(3)}@association.example"
    home = SimpleNamespace(client_url=started.facts["homeservers"]["agents"]["client_url"])
    people.invite_by_mail(
        people.Person(home, ana["user_id"], ana["password"], ana["access_token"]),
        other,
        identity_server=started.facts["guichet"].removeprefix("https://"),
        ca_file=started.facts["ca_file"],
    )
    return other


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
    assert "could be read by others" not in demo.child.log  # nor anything else
    everything_answers(demo)
    the_messenger_is_served_under_its_policy(demo)
    guests_answer_and_agents_begin(demo)
    an_invitation_of_the_agent_is_in_the_mailbox(demo)
    guests_find_closed_what_no_module_closes(demo)
    who_is_invited_comes_in_through_the_same_door(demo)
    nobody_names_another_identity_server(demo)
    the_doctor_finds_nothing_open(demo)
    an_operator_of_each_role_signs_in(demo)
    no_homeserver_takes_a_virus(demo)
    what_comes_from_another_homeserver_is_scanned_too(demo)
    the_scanner_finds_in_encrypted_files_what_no_homeserver_can(demo)
    the_scanner_passes_nothing_while_clamd_is_away_and_remembers_no_failure(demo)


def test_an_agent_signs_up_by_the_first_link_makes_a_room_and_writes(started, newcomer, screen):
    agent = newcomer("nina")
    # Another name for each try, as each makes an account.
    agent.sign_up(screen[0], f"nina.{secrets.token_hex(3)}@agents.example")
    user_id = agent.open_messenger()
    assert user_id.endswith(f":{started.facts['homeservers']['agents']['server_name']}")
    agent.sign_in(user_id)
    agent.make_room("Atelier")
    agent.write("Bonjour")
    assert agent.refused == []


def test_who_is_invited_by_mail_has_an_account_and_writes_in_the_room(started, newcomer, guest):
    zoe = newcomer("zoe")
    zoe.accept_invitation(guest)
    user_id = zoe.open_messenger()
    zoe.sign_in(user_id)
    room = zoe.accept()
    zoe.write("Me voilà")

    def has_arrived() -> bool:  # from one homeserver to the other
        said = started.fetch("agent", f"/rooms/{quote(room)}/messages?dir=b&limit=1").json()
        return [(each["type"], each["sender"]) for each in said["chunk"]] == [
            ("m.room.encrypted", user_id)
        ]

    wait_for(has_arrived, what="the agent has the message, encrypted")
    assert zoe.refused == []


def test_the_last_link_opens_the_messenger_as_the_agent_of_the_demo(started, newcomer, screen):
    ana, link = started.facts["users"]["agent"], screen[2]
    someone = newcomer("ana")
    someone.page.goto(link)
    someone.sign_in(ana["user_id"], ana["password"])
    someone.write("Bonjour")  # the room is open
    assert someone.saves_what_it_sends("ordre.txt", b"du jour")
    someone.page.set_viewport_size({"width": 390, "height": 800})
    someone.page.goto(link)  # again: nothing is asked
    someone.write("De retour")
    mia = started.facts["users"]["mixed_agent"]
    someone.page.goto(link.replace(quote(ana["user_id"]), quote(mia["user_id"])))
    expect(someone.page.locator("#username")).to_have_value(mia["user_id"])
    someone.page.evaluate("localStorage.run = 'of another start of the demo'")
    someone.page.goto(link)
    expect(someone.page.locator("#username")).to_have_value(ana["user_id"])
    assert someone.refused == []


def test_the_messenger_leads_to_no_homeserver_but_those_of_the_demo(started, newcomer):
    someone = newcomer("max")
    someone.page.goto(f"{started.facts['messenger']}?hs=https%3A%2F%2Fmatrix.invalid")
    first = started.facts["homeservers"]["agents"]["client_url"]
    expect(someone.page.get_by_label("Homeserver")).to_have_value(first)


def test_ctrl_c_ends_it_all(started):
    demo = started
    folder = Path(demo.facts["ca_file"]).parent
    assert len(processes_of(folder)) > 4
    assert demo.child.stop(signal.SIGINT) == 0, demo.child.log
    assert processes_of(folder) == []
    assert not (folder / "demo.json").exists()


def shape_is_as_promised(facts):
    own = {"guichet", "console", "mailbox", "ca_file", "homeservers", "users", "room", "operators"}
    parts = {"proxy", "messenger", "antivirus", "scanner"}
    assert set(facts) == own | parts | {"domain_request"}
    assert facts["proxy"] is facts["antivirus"] is True  # the suite installs nginx and clamd
    assert facts["messenger"], "make .venv-messenger/.ready"  # likewise
    assert facts["scanner"] is True, "make .venv-scanner/.ready"
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
    assert demo.get(f"{facts['guichet']}/_matrix/identity/versions").ok
    for homeserver in facts["homeservers"].values():
        door = homeserver["client_url"]
        assert demo.get(f"{door}/_matrix/client/versions").ok
        # Clients follow it: if it named another door, they would go round what the proxy closes.
        told = demo.get(f"{door}/.well-known/matrix/client").json()
        assert told["m.homeserver"]["base_url"] == f"{door}/"
    for user in facts["users"].values():
        client_url = facts["homeservers"][user["homeserver"]]["client_url"]
        asked = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user["user_id"]},
            "password": user["password"],
        }
        answer = requests.post(f"{client_url}{CLIENT}/login", json=asked, timeout=60)
        assert answer.ok, answer.text


def the_messenger_is_served_under_its_policy(demo):
    url = demo.facts["messenger"]
    doors = [each["client_url"] for each in demo.facts["homeservers"].values()]
    assert demo.get(f"{url}config.json").json()["homeservers"] == doors
    page = demo.get(url)
    assert page.headers["Content-Type"] == "text/html"
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = dict(
        part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert policy["connect-src"].split() == ["'self'", *doors]
    for file, kind in (("olm.wasm", "application/wasm"), ("app.js", "application/javascript")):
        answer = demo.get(url + file)
        assert answer.headers["Content-Type"] == kind
        assert answer.headers["X-Content-Type-Options"] == "nosniff"


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


def an_invitation_of_the_agent_is_in_the_mailbox(demo):
    mails = wait_for(lambda: demo.get(demo.facts["mailbox"]).json(), what="the mail is there")
    assert {mail["to"] for mail in mails} == {INVITED}


def test_without_nginx_the_rest_starts_and_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(proxy, "program", lambda: None)
    demo = TheDemo(tmp_path, 20_000)
    assert all(each.own_url == each.client_url for each in demo.homeservers)
    assert demo.messenger is None
    assert proxy.NOT_INSTALLED in demo.missing()


def test_without_clamd_the_rest_starts_and_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(antivirus, "program", lambda: None)
    assert antivirus.NOT_INSTALLED in TheDemo(tmp_path, 20_000).missing()


def test_without_the_scanner_the_rest_starts_and_one_line_says_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.setattr(scanner, "READY", tmp_path / "missing")
    *_, told = TheDemo(tmp_path, 20_000, with_scanner=True).missing()
    assert told == "Encrypted files are not scanned, for want of: make .venv-scanner/.ready."


def test_each_start_begins_afresh(tmp_path):
    (tmp_path / "demo").mkdir(mode=0o755)
    with DemoFolder(tmp_path / "demo") as place:
        assert place.folder.stat().st_mode & 0o077 == 0
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
