"""Rooms that everybody reads are told, if they are this homeserver's and not public."""

import pytest

from identity.core.findings import State
from identity.core.http_client import Answer, Away
from identity.health.checks import readable_rooms

NAME = "agents.example"


def room(room_id, visibility="world_readable", *, creator="@ana:agents.example", public=False):
    return {
        "room_id": room_id,
        "history_visibility": visibility,
        "creator": creator,
        "public": public,
    }


class Homeserver:
    """Its list of rooms has a page for each of `pages`; `rules` is what rooms say of themselves."""

    def __init__(self, *pages, rules=None):
        self.pages, self.rules = pages, rules or {}

    def call(self, _method, path, *, token=None, body=None):
        if path.endswith("/state"):
            [visibility] = [said for each, said in self.rules.items() if each in path] or [None]
            rule = {"type": "im.vector.room.access_rules", "content": {"visibility": visibility}}
            return Answer(200, {"state": [{"type": "m.room.create"}, rule]})
        if not self.pages:
            raise Away("no answer", status=502)
        number = int(path.rpartition("=")[2])
        more = {"next_batch": number + 1} if number + 1 < len(self.pages) else {}
        return Answer(200, {"rooms": self.pages[number]} | more)


def look(*pages, rules=None, token="admin"):
    return list(
        readable_rooms.check_readable_rooms(Homeserver(*pages, rules=rules), NAME, token=token)
    )


@pytest.mark.parametrize(
    "fine",
    [
        room("a", "shared"),
        room("a", public=True),
        room("a", creator="@nina:elsewhere.example"),
        room("a", None),
    ],
)
def test_public_rooms_and_those_of_others_are_fine(fine):
    [finding] = look([fine])
    assert finding.state is State.OK
    [finding] = look([room("a")], rules={"a": "public"})
    assert finding.state is State.OK


def test_the_others_are_named_and_counted_over_every_page():
    uncounted = [room(str(number), None) for number in range(3)]
    found = [room(f"room{number}") for number in range(5)]
    [finding] = look(uncounted, found[:2], [*found[2:], room("b", "shared")], rules={"b": None})
    assert finding.state is State.ATTENTION
    assert "room0, room1, room2 and 2 more" in finding.told
    assert "history_visibility" in finding.fix


def test_nothing_is_told_without_an_administrators_token():
    assert look([room("a")], token=None) == []


@pytest.mark.parametrize(
    "answers",
    [
        {"?": Answer(403, {})},
        {"?": Answer(200, {"rooms": None})},
        {"/state": Answer(429, {})},
        {"/state": Answer(200, {"state": {}})},
    ],
    ids=str,
)
def test_what_was_not_seen_is_not_said_to_be_closed(answers):
    class Useless(Homeserver):
        def call(self, method, path, *, token=None, body=None):
            [useless] = [answer for part, answer in answers.items() if part in path] or [None]
            return useless or super().call(method, path)

    [finding] = readable_rooms.check_readable_rooms(Useless([room("a")]), NAME, token="admin")
    assert finding.state is State.ATTENTION
    assert "not looked at" in finding.told


def test_a_homeserver_that_does_not_answer_is_not_said_to_be_closed():
    [finding] = look()
    assert "not looked at" in finding.told


def test_nonsense_among_rooms_is_passed_over():
    [finding] = look(["no room", {}, {"room_id": 7}, room("a")], rules={"a": None})
    assert ": a" in finding.told
