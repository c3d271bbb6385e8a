"""The running `make demo`, asked by those who live in it; and what is to be true of its doors."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyotp
import requests

from examples.demo.__main__ import PORTS

from .children import Child
from .person import Person
from .processes import ROOT
from .waiting import free_ports, wait_for

CLIENT = "/_matrix/client/v3"


@dataclass
class Demo:
    """The running demo, and what it says of itself to programs."""

    child: Child
    facts: dict[str, Any]

    def ask(self, role: str, path: str, **body: Any) -> requests.Response:
        """By the token of demo.json."""
        user = self.facts["users"][role]
        return requests.post(
            self.facts["homeservers"][user["homeserver"]]["client_url"] + CLIENT + path,
            json=body,
            headers={"Authorization": f"Bearer {user['access_token']}"},
            timeout=60,
        )

    def fetch(self, role: str, path: str) -> requests.Response:
        user = self.facts["users"][role]
        return requests.get(
            self.facts["homeservers"][user["homeserver"]]["client_url"] + CLIENT + path,
            headers={"Authorization": f"Bearer {user['access_token']}"},
            timeout=60,
        )

    def browser(self) -> Person:
        """Somebody on Guichet's pages."""
        session = requests.Session()
        session.trust_env, session.verify = False, self.facts["ca_file"]
        return Person(self.facts["guichet"], session=session)

    def mail_to(self, address: str, subject: str = "") -> dict[str, Any]:
        """The newest mail to an address whose subject has this word, once it is there."""

        def found() -> dict[str, Any] | None:
            mails = self.get(self.facts["mailbox"]).json()
            return next(
                (each for each in mails if each["to"] == address and subject in each["subject"]),
                None,
            )

        return wait_for(found, what=f"a mail to {address}")

    def get(self, url: str) -> requests.Response:
        return requests.get(url, verify=self.facts["ca_file"], timeout=60)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Demo]:
    """`make demo` in a folder, until the block ends."""
    where = ("--folder", folder / "demo", "--port", str(free_ports(PORTS)))
    child = Child(
        [sys.executable, "-m", "examples.demo", *where, *options],
        log=folder / "output.log",
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8"},
        cwd=ROOT,
    )
    written = folder / "demo/demo.json"
    try:
        child.wait_until(written.exists, what="demo.json stands there", within=600)
        yield Demo(child, json.loads(written.read_text(encoding="utf-8")))
    finally:
        child.stop(signal.SIGINT)


def an_operator_of_each_role_signs_in(demo):
    """By the link and the app of demo.json, and sees the open request; a link that was used is soon replaced."""
    roles = {"viewer", "support", "editor", "approver", "auditor", "admin"}
    assert set(demo.facts["operators"]) == roles
    for role, operator in demo.facts["operators"].items():
        with requests.Session() as browser:
            browser.trust_env, browser.verify = False, demo.facts["ca_file"]
            _press(browser, operator["sign_in_link"])
            code = pyotp.TOTP(operator["totp_secret"]).now()
            home = _press(browser, f"{demo.facts['console']}sign-in/second", second_factor=code)
            assert home.url == demo.facts["console"], role
            assert operator["name"] in home.text
            waiting = browser.get(f"{demo.facts['console']}requests")
            assert (demo.facts["domain_request"] in waiting.text) == (role != "auditor")
            assert browser.get(operator["sign_in_link"]).status_code == 410
    written = Path(demo.facts["ca_file"]).with_name("demo.json")
    first = demo.facts["operators"]["viewer"]["sign_in_link"]
    wait_for(
        lambda: json.loads(written.read_text())["operators"]["viewer"]["sign_in_link"] != first,
        what="a new link",
    )


def _press(browser, url, **typed):
    """The button of a page, as an operator would."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', browser.get(url).text)
    answer = browser.post(url, data={"csrf_token": token[1], **typed}, headers={"Referer": url})
    assert answer.status_code == 200, answer.text
    return answer


def guests_find_closed_what_no_module_closes(demo):
    """By the address that clients are told, so that none goes round it."""
    facts = demo.facts
    agents, ana = facts["homeservers"]["agents"]["server_name"], facts["users"]["agent"]["user_id"]
    alias, room = quote(f"#nowhere:{agents}", safe=""), quote(facts["room"], safe="")
    for role in ("agent", "mixed_agent"):
        has_a_device_with_keys(demo, role)
    for role in ("guest", "mixed_guest"):
        url = facts["homeservers"][facts["users"][role]["homeserver"]]["client_url"]
        told = demo.get(f"{url}/.well-known/matrix/client").json()
        assert told["m.homeserver"]["base_url"] == f"{url}/"
        for answer in (
            demo.fetch(role, "/publicRooms"),
            demo.fetch(role, f"/directory/room/{alias}"),
            demo.fetch(role, f"/rooms/{room}/initialSync"),
            demo.ask(role, f"/join/{alias}"),
            demo.ask(role, f"/knock/{room}"),
        ):
            assert answer.status_code == 403, answer.text
            assert answer.json()["errcode"] == "M_FORBIDDEN"
            assert answer.json()["org.guichet.reason"] == "not_allowed"
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert strangers_keys(demo, role, ana, facts["users"]["mixed_agent"]["user_id"]) == {}
    assert demo.fetch("mixed_agent", f"/directory/room/{alias}").status_code == 404
    assert demo.fetch("mixed_agent", "/publicRooms").ok
    gil = facts["users"]["guest"]["user_id"]
    assert not demo.fetch("agent", f"/profile/{quote(gil)}").ok


def who_is_invited_comes_in_through_the_same_door(demo):
    rule = {"type": "im.vector.room.access_rules", "content": {"rule": "unrestricted"}}
    made = demo.ask(
        "agent", "/createRoom", preset="private_chat", initial_state=[rule | {"state_key": ""}]
    )
    room = quote(made.json()["room_id"])
    ana = demo.facts["users"]["agent"]["user_id"]
    for role in ("guest", "mixed_guest"):
        user_id = demo.facts["users"][role]["user_id"]
        assert demo.ask("agent", f"/rooms/{room}/invite", user_id=user_id).ok
        wait_for(lambda role=role: demo.ask(role, f"/join/{room}").ok, what=f"{role} joins")
        said = demo.ask(role, f"/rooms/{room}/send/m.room.message", msgtype="m.text", body="Oui")
        assert said.ok, said.text
        wait_for(
            lambda role=role: strangers_keys(demo, role, ana).get(ana),
            what=f"{role} sees the keys of who is in the room",
        )


def has_a_device_with_keys(demo, role):
    me = demo.fetch(role, "/account/whoami").json()
    user_id, device = me["user_id"], me["device_id"]
    keys = {
        "user_id": user_id,
        "device_id": device,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"curve25519:{device}": "c2lnbg", f"ed25519:{device}": "c2lnbg"},
        "signatures": {user_id: {f"ed25519:{device}": "c2lnbg"}},
    }
    answer = demo.ask(role, "/keys/upload", device_keys=keys)
    assert answer.ok, answer.text


def strangers_keys(demo, role, *user_ids):
    asked = demo.ask(role, "/keys/query", device_keys={each: [] for each in user_ids})
    return asked.json()["device_keys"]


def nobody_names_another_identity_server(demo):
    room = demo.ask("mixed_agent", "/createRoom", preset="private_chat").json()["room_id"]
    by_mail = {
        "medium": "email",
        "address": "lea.petit@asso.example",
        "id_server": "identity.invalid",
        "id_access_token": "x",
    }
    for role in ("guest", "mixed_guest", "mixed_agent"):
        answer = demo.ask(role, f"/rooms/{quote(room)}/invite", **by_mail)
        assert (answer.status_code, answer.json()["errcode"]) == (403, "M_FORBIDDEN")
        assert answer.json()["org.guichet.reason"] == "foreign_identity_server"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


def the_doctor_finds_nothing_open(demo):
    """It is asked again while a homeserver is too busy to answer, or has not heard the newest rules."""
    found = wait_for(lambda: _all_closed(_doctor(demo), demo), what="the doctor finds nothing open")
    for each in ("guests", "mixed"):
        assert "the proxy refuses other identity servers" in found[each]
    for each in ("agents", "mixed"):
        assert "agents find each other in the people search" in found[each]


def _all_closed(found, demo):
    """What was told of each homeserver; nothing while something is to be mended."""
    told = {name: each["server_name"] for name, each in demo.facts["homeservers"].items()}
    states = {one["state"] for one in found if one["what"] in told.values()}
    if states != {"ok"}:
        return None
    return {
        each: {one["told"] for one in found if one["what"] == name} for each, name in told.items()
    }


def _doctor(demo):
    folder, url = Path(demo.facts["ca_file"]).parent / "guichet", demo.facts["guichet"]
    done = subprocess.run(
        [Path(sys.executable).with_name("guichet"), "doctor", "--json"],
        env={
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "GUICHET_ENV_FILE": "",
            "GUICHET_DATA_DIR": str(folder),
            "GUICHET_PUBLIC_URL": url,
            "GUICHET_SERVER_NAME": url.removeprefix("https://"),
            "GUICHET_INTERNAL_LISTEN": "",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return json.loads(done.stdout)
