"""Whatever came of an address by somebody else's proof, a browser that proved nothing sees an open request."""

import re

import pytest

from identity.threepids import associations
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD

WRONG = "00000000"
CSRF = re.compile(r'(name="csrf_token" value=")[^"]*')
CLOCK = re.compile(r"\d+[\s\u00a0]h[\s\u00a0]\d\d|\d\d:\d\d")
TOKEN = re.compile(r"/([vn])/[\w.-]{40,}")


def masked(answer) -> str:
    changing = {"Set-Cookie", "X-Request-ID"}
    headers = [f"{name}: {value}" for name, value in answer.headers if name not in changing]
    text = "\n".join([answer.status, *headers, answer.text])
    text = re.sub(r"Content-Length: \d+", "", text)
    return TOKEN.sub(r"/\1/…", CLOCK.sub("…", CSRF.sub(r"\1…", text)))


class World:
    """One address, its owner, and a stranger who typed it and reads none of its mail."""

    def __init__(self, site, address, *, invited):
        self.site, self.address = site, address
        self.owner, self.phone, self.stranger = (site.visitor() for _ in range(3))
        self.extra = {"invited": "1"} if invited else {}
        self.invitation = site.invited(address=address) if invited else None

    def start(self, who):
        who.start(self.address, **self.extra)
        self.site.post()

    def request(self):
        """The owner's."""
        return next(each for each in self.site.all() if each.address == self.address)

    def code(self):
        return self.site.code(self.request())

    def make_account(self, who, n=1):
        typed = {"display_name": "Camille", "password": PASSWORD, "password_again": PASSWORD}
        answer = who.post(f"/account/{n}", **typed)
        assert "Bienvenue" in answer.text


def nothing(world):
    """The owner has only asked."""


def code_typed(world):
    world.owner.post("/check/1", code=world.code())
    assert world.owner.at == "/account/1"


def button_pressed(world):
    world.owner.post(world.site.link(world.request()))
    assert world.owner.at == "/account/1"


def code_typed_elsewhere(world):
    world.phone.post(world.site.link(world.request()), code=world.code())
    assert world.phone.at == "/account/1"


def refused(world):
    link = world.site.link(world.request(), purpose="not_me")
    answer = world.phone.post(link, code=world.code())
    assert "annulée" in answer.text


def refused_and_taken_back(world):
    refused(world)
    link = world.site.link(world.request(), purpose="not_me")
    assert "rétablie" in world.phone.post(link, undo="1", code=world.code()).text


def confirmed_then_refused(world):
    code = world.code()
    world.owner.post("/check/1", code=code)
    link = world.site.link(world.request(), purpose="not_me")
    assert "annulée" in world.phone.post(link, code=code).text


def account_made(world):
    code_typed(world)
    world.make_account(world.owner)


def account_made_elsewhere(world):
    code_typed_elsewhere(world)
    world.make_account(world.phone)


def bound_by_a_client(world):
    with world.site.services.database.transaction() as session:
        user_id = "@camille:education.example"
        associations.bind(session, world.site.clock(), address=world.address, user_id=user_id)


def invitation_accepted(world):
    world.phone.post(world.site.mailed(world.invitation), code=world.site.code(world.invitation))
    assert world.phone.at == "/account/1"


def account_made_by_invitation(world):
    invitation_accepted(world)
    world.make_account(world.phone)


PROOFS = [
    code_typed,
    button_pressed,
    code_typed_elsewhere,
    refused,
    refused_and_taken_back,
    confirmed_then_refused,
    account_made,
    account_made_elsewhere,
    bound_by_a_client,
]
PROOFS_OF_GUESTS = [invitation_accepted, account_made_by_invitation, account_made]


def look(world, *, link):
    """All that a stranger can try, and what somebody sees who holds a link of the owner's mail and no code."""
    site, clock, stranger, finder = (
        world.site,
        world.site.clock,
        world.stranger,
        site_visitor(world),
    )
    pages = ("/check/1", "/account/1", "/account/1/done", "/account/1/taken", "/account/1/waiting")
    for path in (*pages, "/check/1?notice=sent", "/check/1?notice=waiting"):
        yield path, stranger.get(path)
    yield "no account", stranger.send("/account/1", display_name="x", password=PASSWORD)
    yield "wrong code", stranger.send("/check/1", code=WRONG)
    for kind in ("v", "n"):
        there = link.replace("/v/", f"/{kind}/") if kind == "v" else world.refuse_link
        yield f"{kind}, looked at", finder.get(there)
        yield f"{kind}, pressed", finder.send(there)
        yield f"{kind}, wrong code", finder.send(there, code=WRONG)
        yield f"{kind}, again", finder.get(there)
    yield "undo without having cancelled", finder.send(world.refuse_link, undo="1")
    yield "mail again", stranger.send("/check/1/resend")
    yield "mail waits", stranger.get("/check/1")
    clock.advance(minutes=3)
    site.post()
    yield "wrong code of the next mail", stranger.send("/check/1", code=WRONG)
    yield "start again", stranger.send("/start", email=world.address, **world.extra)
    yield "given up", stranger.send("/check/1/not-me")
    yield "given up, seen", stranger.get("/check/1")
    yield "restored", stranger.send("/check/1/undo")
    yield "restored, seen", stranger.get("/check/1")
    clock.advance(minutes=70)
    yield "old code", stranger.send("/check/1", code=WRONG)
    yield "old code, seen", stranger.get("/check/1")
    clock.advance(hours=30)
    yield "a day later", stranger.get("/check/1")
    yield "link, a day later", finder.get(link)
    yield "refusal, a day later", finder.get(world.refuse_link)


def site_visitor(world):
    return world.site.visitor()


def seen(site, clock, address, proof, *, stranger_first, invited):
    world = World(site, address, invited=invited)
    if stranger_first:
        world.start(world.stranger)
        clock.advance(seconds=90)
    world.start(world.owner)
    requests = [each for each in site.all() if each.address == address]
    own = max(requests, key=lambda each: each.created_at)
    world.request = lambda: next(each for each in site.all() if each.id == own.id)
    link, world.refuse_link = site.link(own), site.link(own, purpose="not_me")
    proof(world)
    clock.advance(seconds=90)
    if not stranger_first:
        world.start(world.stranger)
    name = address.partition("@")[0]
    return {
        what: masked(answer).replace(name, "somebody") for what, answer in look(world, link=link)
    }


@pytest.mark.parametrize("stranger_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.__name__)
def test_of_what_an_agent_proved_a_stranger_sees_nothing(site, clock, proof, stranger_first):
    began = clock()
    worlds = []
    for address, act in (
        ("aaaaaaa@ac-rouen.example", proof),
        ("bbbbbbb@ac-rouen.example", nothing),
    ):
        clock.time = began
        worlds.append(seen(site, clock, address, act, stranger_first=stranger_first, invited=False))
    for what, shown in worlds[1].items():
        assert worlds[0][what] == shown, what


@pytest.mark.parametrize("stranger_first", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("proof", PROOFS_OF_GUESTS, ids=lambda proof: proof.__name__)
def test_of_what_a_guest_proved_a_stranger_sees_nothing(site, clock, proof, stranger_first):
    began = clock()
    worlds = []
    for address, act in (("aaaaaaa@asso.example", proof), ("bbbbbbb@asso.example", nothing)):
        clock.time = began
        worlds.append(seen(site, clock, address, act, stranger_first=stranger_first, invited=True))
    for what, shown in worlds[1].items():
        assert worlds[0][what] == shown, what
