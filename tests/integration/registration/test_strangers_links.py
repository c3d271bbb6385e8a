"""Who proved nothing finds no user ID and no room ID on any page: no link to a client is filled in for them."""

import re
from urllib.parse import quote

import pytest

from identity.client_links import fill
from identity.invitations.models import State
from identity.threepids import associations
from tests.worlds.pages import *
from tests.worlds.pages import GIL, PASSWORD, ZOE
from tests.worlds.visitors import heading

CAMILLE = "camille.durand@ac-rouen.example"
WRONG = "00000000"
LINKS_OF_A_MAIL = ("invitation", "not_me", "opt_out")
LINKS = {
    "client_url": "https://chat.example/?hs={homeserver_url}&user={user_id}&room={room_id}",
    "phone_url": "https://m.example/?server={server_name}&hint=mxid:{user_id}&room={room_id}",
}
TYPED = {"display_name": "Gil", "password": PASSWORD, "password_again": PASSWORD}
# A user ID or a room ID, as it is or percent-encoded.
IDENTIFIER = re.compile(r"(?:[@!]|%40|%21)[\w.=/+%-]+(?::|%3A)[\w.-]+\.example", re.IGNORECASE)


@pytest.fixture
def settings(tmp_path):
    return {"data_dir": tmp_path, "_env_file": None, **LINKS}


@pytest.fixture
def zoe(site, clock):
    """An inviter whom the pages name by her address, so that theirs need no user ID."""
    with site.services.database.transaction() as session:
        associations.bind(session, clock(), address="zoe.martin@ac-rouen.example", user_id=ZOE)


def waiting(site):
    """The invitation waits for somebody without an account."""


def bound_by_a_client(site):
    with site.services.database.transaction() as session:
        associations.bind(session, site.clock(), address=GIL, user_id="@gil:guests.example")


def account_made(site):
    owner = site.visitor()
    owner.post(site.mailed(), code=site.code(site.invitation()))
    return owner.post("/account/1", **TYPED)


def invited_again(site):
    account_made(site)
    site.invited(room_id="!other:education.example")


def account_at_hand(site):
    """The owner has proved the mailbox again, and reads that there is an account."""
    invited_again(site)
    owner = site.visitor()
    owner.post(site.mailed(), code=site.code(site.invitation()))
    assert owner.at.endswith("/taken")


def ended(state):
    def end(site):
        bound_by_a_client(site)
        with site.services.database.transaction() as session:
            row = session.merge(site.invitation())
            row.state, row.ended_at = state, site.clock()

    return end


CASES = {
    "waiting": (waiting, "Vous êtes invité"),
    "bound by a client": (bound_by_a_client, "Vous êtes invité"),
    "account made": (account_made, "Vous avez déjà accepté"),
    "invited again": (invited_again, "Vous êtes invité"),
    "account at hand": (account_at_hand, "Vous avez déjà accepté"),
    "revoked": (ended(State.REVOKED), "Cette invitation n’est plus valable"),
    "declined": (ended(State.DECLINED), "L’invitation est annulée"),
    "expired": (ended(State.EXPIRED), "Cette invitation a expiré"),
}


def every_page(site):
    """What a browser can open without a link; the mailbox of development shows everybody's mails."""
    for rule in site.app.url_map.iter_rules():
        if "GET" in rule.methods and not rule.rule.startswith("/dev/"):
            yield "/".join("1" if "<" in part else part for part in rule.rule.split("/"))
    yield from ("/my-server?q=ac-rouen.example", "/my-server?q=asso.example")
    yield f"/start?email={quote(GIL)}"


def look(site, stranger, address, links, pages=()):
    """All that somebody can try who holds these links and types this address, but has no code."""
    stranger.start(address, invited="1")
    site.post()
    own = [f"/account/1{page}" for page in ("", "/progress", "/waiting", "/taken", "/done")]
    for path in (*pages, *links, "/check/1", *own):
        answer = stranger.client.get(path, headers=stranger.headers, follow_redirects=True)
        for each in (*answer.history, answer):
            yield path, each
    yield "server", stranger.post("/my-server", q=address)
    for path in ("/check/1", *links):
        for fields in ({"code": WRONG}, {"send": "1"}):
            yield f"{path} {fields}", stranger.send(path, **fields)
        yield f"{path} afterwards", stranger.get(path)
    yield "account", stranger.post("/account/1", **TYPED)


def assert_nothing_told(seen):
    for what, answer in seen:
        told = f"{answer.headers}\n{answer.text}"
        assert IDENTIFIER.findall(told) == [], what


@pytest.mark.usefixtures("zoe")
@pytest.mark.parametrize(("come", "says"), CASES.values(), ids=CASES)
def test_who_holds_the_links_of_somebodys_invitation_finds_no_id(site, phone, come, says):
    row = site.invited()
    come(site)
    assert heading(phone.get(site.mailed())) == says
    rows = dict.fromkeys([row, site.invitations[-1]])
    links = [site.mailed(each, kind) for each in rows for kind in LINKS_OF_A_MAIL]
    assert_nothing_told(look(site, phone, GIL, links))


def test_who_holds_the_links_of_somebodys_sign_up_finds_no_id(site, ana, phone):
    ana.confirm(site)
    links = [site.link(), site.link(purpose="not_me")]
    assert heading(ana.post("/account/1", **TYPED)) == "Bienvenue"
    assert_nothing_told(look(site, phone, CAMILLE, links, every_page(site)))


@pytest.mark.usefixtures("zoe")
def test_the_owner_finds_the_user_id_for_which_this_file_looks(site):
    site.invited()
    welcome = account_made(site)
    [(user_id, _)] = site.server.made
    assert user_id in IDENTIFIER.findall(welcome.text)


@pytest.mark.parametrize("template", LINKS.values(), ids=LINKS)
def test_this_file_recognises_a_link_that_is_filled_in(template):
    link = fill(template, user_id="@gil=2b1:guests.example", room_id="!room:education.example")
    assert len(IDENTIFIER.findall(link)) == 2
