"""What people ask of a homeserver in every way that a module is asked about, and what they are answered.

Done on two homeservers, the answers are to be the same but for names and numbers that are drawn.
"""

import re
from typing import Any
from urllib.parse import quote

from requests import Response

from tests.services.guichet_synapse import Person
from tests.services.trusting_synapse import TrustingHomeserver
from tests.services.waiting import wait_for

RULE = "im.vector.room.access_rules"
DRAWN = {
    *("event_id", "origin_server_ts", "age", "age_ts", "replaces_state", "access_token"),
    *("device_id", "joined_at", "session", "filter_id", "transaction_id", "prev_batch"),
}


def event(kind: str, **content: Any) -> dict[str, Any]:
    return {"type": kind, "state_key": "", "content": content}


# As clients ask, and as they had better not.
CREATIONS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "private": {"preset": "private_chat", "name": "Budget", "topic": "2027"},
    "encrypted": {"initial_state": [event("m.room.encryption", algorithm="m.megolm.v1.aes-sha2")]},
    "public": {"preset": "public_chat"},
    "listed": {"visibility": "public", "room_alias_name": "listed"},
    "direct": {"is_direct": True, "preset": "trusted_private_chat", "invite": ["eve"]},
    "several": {"is_direct": True, "preset": "trusted_private_chat", "invite": ["eve", "oda"]},
    "space": {"creation_content": {"type": "m.space"}, "preset": "public_chat"},
    "opened": {"initial_state": [event(RULE, rule="unrestricted")], "invite": ["eve"]},
    "nonsense": {"initial_state": [event(RULE, rule=7)]},
    "readable": {
        "initial_state": [
            event("m.room.history_visibility", history_visibility="world_readable"),
            event("m.room.guest_access", guest_access="can_join"),
            event("m.room.encryption", algorithm="m.none"),
        ]
    },
    "powers": {"power_level_content_override": {"users_default": 100, "state_default": 0}},
    "old": {"room_version": "10", "invite": ["eve"], "preset": "trusted_private_chat"},
    "new": {"room_version": "12", "invite": ["eve"], "preset": "trusted_private_chat"},
    "creators": {"room_version": "12", "creation_content": {"additional_creators": ["eve"]}},
    "unknown version": {"room_version": "nought"},
    "no list": {"invite": "eve"},
    "no state": {"initial_state": [{"type": "m.room.topic"}]},
}


class Deeds:
    """`told`: by what was asked, status and answer."""

    def __init__(self, homeserver: TrustingHomeserver, who: Person, eve: Person, oda: Person):
        self.homeserver, self.who, self.eve, self.oda = homeserver, who, eve, oda
        self.told: dict[str, Any] = {}

    def ask(
        self, what: str, method: str, path: str, *, by: Person | None = None, **body: Any
    ) -> Response:
        answer = (by or self.who).ask(method, path, **self._named(body))
        self.told[what] = answer.status_code, self._plain(answer.json())
        return answer

    def everything(self) -> dict[str, Any]:
        for name, asked in CREATIONS.items():
            made = self.ask(f"create {name}", "POST", "/createRoom", **asked)
            if made.ok:
                self._look(f"room {name}", made.json()["room_id"])
        room_id = self.who.create(name="Cellule", preset="public_chat", visibility="private")
        self._who_comes(room_id)
        self._settings(f"/rooms/{quote(room_id)}")
        self._who_goes(room_id)
        self._around()
        return self.told

    def _look(self, what: str, room_id: str) -> None:
        found = self.who.do("GET", f"/rooms/{quote(room_id)}/state")
        self.told[what] = sorted(map(str, self._plain(found)))

    def _who_comes(self, room_id: str) -> None:
        room = f"/rooms/{quote(room_id)}"
        for whom in ("eve", "nobody-at-all", "who"):
            self.ask(f"invite {whom}", "POST", f"{room}/invite", user_id=whom)
        by_mail = {"medium": "email", "id_server": "localhost:1", "id_access_token": "t"}
        for address in ("camille@asso.example", "élodie@", "mailto:a@b.example"):
            self.ask(f"invite {address}", "POST", f"{room}/invite", address=address, **by_mail)
        self.ask("join invited", "POST", f"{room}/join", by=self.eve)
        self.ask("join uninvited", "POST", f"/join/{quote(room_id)}", by=self.oda)
        self.ask("no power", "PUT", f"{room}/state/m.room.name/", by=self.oda, name="Mine")

    def _settings(self, room: str) -> None:
        state = f"{room}/state"
        for kind, content in (
            ("m.room.name", {"name": "Autre"}),
            (RULE, {"rule": "unrestricted"}),
            (RULE, {"rule": "direct"}),
            ("m.room.join_rules", {"join_rule": "knock"}),
            ("m.room.history_visibility", {"history_visibility": "world_readable"}),
            ("m.room.guest_access", {"guest_access": "can_join"}),
            ("m.room.encryption", {"algorithm": "m.none"}),
            ("m.room.canonical_alias", {"alias": "#nought:localhost"}),
            ("m.room.third_party_invite/token", {"display_name": "c…@a…", "public_key": "k"}),
        ):
            path = kind if "/" in kind else f"{kind}/"
            sent = self.ask(f"send {kind} {content}", "PUT", f"{state}/{path}", **content)
            if sent.ok and kind == "m.room.encryption":
                redacted = f"{room}/redact/{quote(sent.json()['event_id'])}/1"
                self.ask("redact", "PUT", redacted, reason="mistaken")

    def _who_goes(self, room_id: str) -> None:
        room, levels_at = (
            f"/rooms/{quote(room_id)}",
            f"/rooms/{quote(room_id)}/state/m.room.power_levels/",
        )
        self.ask("say", "PUT", f"{room}/send/m.room.message/1", msgtype="m.text", body="Bonjour")
        levels = self.who.state(room_id, "m.room.power_levels")
        levels["users"] = levels.get("users", {}) | {"oda": 100}
        self.ask("levels", "PUT", levels_at, **levels)
        for action in ("kick", "ban", "unban"):
            self.ask(action, "POST", f"{room}/{action}", user_id="eve")
        self.ask("knock", "POST", f"/knock/{quote(room_id)}", by=self.eve)
        alias = f"/directory/room/{quote(f'#cellule:{self.homeserver.server_name}')}"
        self.ask("alias", "PUT", alias, room_id=room_id)
        self.ask("publish", "PUT", f"/directory/list/room/{quote(room_id)}", visibility="public")
        self.ask("withdraw", "PUT", f"/directory/list/room/{quote(room_id)}", visibility="private")
        self._look("room at last", room_id)
        self.ask("upgrade", "POST", f"{room}/upgrade", new_version="12")
        self._look("room upgraded", room_id)
        self.ask("leave", "POST", f"{room}/leave")

    def _around(self) -> None:
        mine = f"/user/{quote(self.who.user_id)}"
        self.ask(
            "profile", "PUT", f"/profile/{quote(self.who.user_id)}/displayname", displayname="G"
        )
        self.ask("hide", "PUT", f"{mine}/account_data/im.vector.hide_profile", hide_profile=True)
        self.ask("filter", "POST", f"{mine}/filter", room={"timeline": {"limit": 3}})
        self.ask("rooms", "GET", "/publicRooms")
        self.ask("mail", "POST", "/account/3pid/email/requestToken", email="a@b.example")
        auth = {"type": "m.login.dummy"}
        name = f"newcomer.{self.who.user_id[1:].partition(':')[0]}"
        self.ask("register", "POST", "/register", username=name, password="p", auth=auth)
        self.ask("register again", "POST", "/register", username=name, password="p", auth=auth)
        self.eve.create(preset="public_chat")  # who is in one is found by everybody
        name = self.eve.user_id[1:].partition(":")[0]
        wait_for(lambda: self.who.finds(name), what="eve is in the directory")
        self.ask("search", "POST", "/user_directory/search", search_term=name)

    def _named(self, value: Any) -> Any:
        """With user IDs in place of the names above."""
        people = {"eve": self.eve, "oda": self.oda, "who": self.who}
        if isinstance(value, dict):
            return {
                people[key].user_id if key in people else key: self._named(each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._named(each) for each in value]
        if value == "nobody-at-all":
            return f"@nobody-at-all:{self.homeserver.server_name}"
        return people[value].user_id if value in people else value

    def _plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                self._plain(key): self._plain(each)
                for key, each in value.items()
                if key not in DRAWN
            }
        if isinstance(value, list):
            return sorted((self._plain(each) for each in value), key=str)
        if not isinstance(value, str):
            return value
        text = value.replace(self.homeserver.server_name, "HERE")
        return re.sub(r"![\w-]{10,}(:HERE)?", "!room", re.sub(r"\$[\w-]{20,}", "$event", text))
