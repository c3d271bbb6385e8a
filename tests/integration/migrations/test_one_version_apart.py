"""An upgrade from the version before and the way back, with data, while both versions serve."""

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests

from identity import migrations
from tests.services.children import Child
from tests.services.keys import KEYS
from tests.services.peer import Peer
from tests.services.person import Person, code_in, link_in, plain
from tests.services.processes import Processes, Web
from tests.services.waiting import wait_for
from tests.worlds.two_versions import AGENTS, BEFORE, GUESTS, ZOE, Proof, TwoVersions, lost, part_of

pytestmark = pytest.mark.processes

NEWEST = migrations.newest_revision()
AT_WORK = "zoe.martin@ac-rouen.example"
ROOM = "!room:education.example"
INFO = f"/_matrix/identity/api/v1/info?medium=email&address={AT_WORK}"
AWAY = 503


@pytest.fixture
def two(
    empty_database_url, redis_url, smtp_server, guichet_before, tmp_path
) -> Iterator[TwoVersions]:
    folders = tmp_path / "before", tmp_path / "this"
    for folder in folders:
        folder.mkdir()
    environment = {
        **KEYS,
        "GUICHET_DATABASE_URL": empty_database_url,
        "GUICHET_BROKER_URL": redis_url,
        "GUICHET_REDIS_URL": redis_url,
        "GUICHET_SMTP_URL": smtp_server.url,
        "GUICHET_MAIL_FROM": "Guichet <bonjour@guichet.example>",
        "GUICHET_LIMITS": "off",
    }
    peer = Peer(AGENTS)
    old, new = Processes(folders[0], tree=guichet_before), Processes(folders[1])
    yield TwoVersions(old, new, environment, smtp_server, peer)
    old.end_all()
    new.end_all()
    peer.close()


@dataclass
class People:
    """Who did what at the version before, and is not finished."""

    dora: Person  # typed her address, and has the mail
    flo: Person  # likewise; she will follow the link
    zoe: Person  # signed in to her lists
    hugo: Proof  # a validation session, its code not handed in
    nina: Proof  # likewise; she is invited


@dataclass
class Traffic:
    """What the webs answered meanwhile."""

    answers: dict[str, list[tuple[str, requests.Response]]] = field(default_factory=dict)

    def wrong(self, url: str, *permitted: int) -> list[str]:
        return [
            f"{path}: {answer.status_code}"
            for path, answer in self.answers[url]
            if answer.status_code >= 500 and answer.status_code not in permitted
        ]


@contextmanager
def traffic(*webs: Web) -> Iterator[Traffic]:
    """People and programs go on asking these webs, until the block ends."""
    told, over = Traffic({web.url: [] for web in webs}), threading.Event()

    def ask(url: str) -> None:
        number, said = 0, told.answers[url]
        while not over.is_set() or number < 3:
            number += 1
            for path in (INFO, "/start", "/_matrix/identity/v2/pubkey/isvalid?public_key=A"):
                said.append((path, requests.get(url + path, timeout=60)))
            person = Person(url)
            if person.page.ok:
                said.append(("sign-up", person.ask(address_of(f"p{uuid.uuid4().hex}"))))

    asking = [threading.Thread(target=ask, args=[web.url]) for web in webs]
    for each in asking:
        each.start()
    try:
        yield told
    finally:
        over.set()
        for each in asking:
            each.join(120)


def sign_up(two: TwoVersions, web: Web, name: str) -> Person:
    """They type their address, and the mail with the code comes."""
    person, address = Person(web.url), address_of(name)
    page = person.ask(address)
    assert page.url.endswith("/check/1"), f"{page.status_code} {page.url}"
    two.relay.wait_for_mail(address)
    return person


def address_of(name: str) -> str:
    return f"{name}.durand@ac-rouen.example"


def code_for(two: TwoVersions, address: str) -> str:
    return code_in(plain(two.relay.to(address)[-1]))


def confirm(two: TwoVersions, person: Person, name: str, web: Web) -> None:
    """They go on at this web, and type the code."""
    person.url = web.url
    person.open("/check/1")
    page = person.type_code(code_for(two, address_of(name)))
    assert "/account/" in page.url, f"{page.status_code} {page.url}"


def follow_the_link(two: TwoVersions, person: Person, name: str, web: Web) -> None:
    """They follow the link, which leads to this web, and press the button."""
    link = link_in(plain(two.relay.to(address_of(name))[-1]))
    person.url = web.url
    assert person.open(link[link.index("/v/") :]).ok
    assert "/account/" in person.send().url


def bring_up(two: TwoVersions) -> tuple[Web, Child]:
    """The version before is installed, and serves."""
    two.command_before(
        ("db", "upgrade"),
        ("homeserver", "add", AGENTS, "--url", two.peer.url, "--label", "Éducation"),
        ("homeserver", "add", GUESTS, "--url", two.peer.url, "--label", "Externes", "--guests"),
        ("domain", "add", "ac-rouen.example", "--homeserver", AGENTS, "--reason", "it is ours"),
    )
    worker = two.old.unready_worker(two.environment)
    web = two.web_before()
    worker.wait_for_log(" ready.")
    return web, worker


def live(two: TwoVersions, web: Web) -> People:
    """People sign up, sign in, invite and accept, as the version before lets them."""
    two.sign_in(web)
    two.bind(web, two.ask_for_code(web, AT_WORK))
    zoe = Person(web.url)
    zoe.open("/lists")
    zoe.send("/sign-in", email=AT_WORK)
    two.relay.wait_for_mail(AT_WORK, number=2)
    zoe.type_code(code_for(two, AT_WORK))
    assert zoe.open("/lists").url.endswith("/lists")
    camille = sign_up(two, web, "camille")
    confirm(two, camille, "camille", web)
    two.relay.replies[address_of("eve")] = "450 4.2.1 later"
    Person(web.url).ask(address_of("eve"))
    for name in ("gil", "nina", "otto"):
        two.invite(web, f"{name}@asso.example", ROOM)
    for name in ("gil", "nina", "otto"):
        two.relay.wait_for_mail(f"{name}@asso.example")
    accept(two, web, proof_of(two, web, "otto"))
    people = People(
        dora=sign_up(two, web, "dora"),
        flo=sign_up(two, web, "flo"),
        zoe=zoe,
        hugo=two.ask_for_code(web, address_of("hugo")),
        nina=proof_of(two, web, "nina"),
    )
    wait_for(lambda: two.count_open_jobs() == 1, what="only her mail waits that is refused")
    return people


def go_on_at(two: TwoVersions, web: Web, people: People) -> None:
    """What was begun at the version before is finished at this one."""
    confirm(two, people.dora, "dora", web)
    follow_the_link(two, people.flo, "flo", web)
    people.zoe.url = web.url
    assert people.zoe.open("/lists").url == f"{web.url}/lists"
    assert two.identity(web, "GET", "/account").json() == {"user_id": ZOE}
    two.hand_in(web, people.hugo)


def across(two: TwoVersions, here: Web, there: Web, name: str) -> None:
    """What is begun at one web is finished at the other; whoever works has heard the bells."""
    follow_the_link(two, sign_up(two, here, name), name, there)
    confirm(two, sign_up(two, here, f"{name}.b"), f"{name}.b", there)
    address = f"{name}@asso.example"
    two.invite(here, address, ROOM)
    two.relay.wait_for_mail(address)


def upgrade_while_asked(two: TwoVersions, old: Web) -> Web:
    """The web of this version is there too early; gives it once it is ready."""
    new = two.new.web(two.environment)
    assert not is_ready(new)
    with traffic(old, new) as told:
        wait_for(lambda: len(told.answers[new.url]) > 3, what="answers on the older schema")
        assert f"from {BEFORE} to {NEWEST}" in two.command("db", "upgrade")
        wait_for(lambda: is_ready(new), what="the new web is ready")
    assert not told.wrong(old.url, *permitted(two))
    assert not told.wrong(new.url, AWAY)
    early = [answer for _, answer in told.answers[new.url] if answer.status_code == AWAY]
    assert early
    assert all("Retry-After" in answer.headers for answer in early)
    return new


def permitted(two: TwoVersions) -> tuple[int, ...]:
    """A migration has SQLite's one lock for itself: who waits five seconds for it is told so."""
    return (AWAY,) if two.environment["GUICHET_DATABASE_URL"].startswith("sqlite") else ()


def is_ready(web: Web) -> bool:
    answer = requests.get(f"{web.url}/readyz", timeout=60)
    return answer.ok or "schema" not in answer.json()["degraded"]


def downgrade_while_asked(two: TwoVersions, old: Web) -> None:
    with traffic(old) as told:
        wait_for(lambda: len(told.answers[old.url]) > 3, what="answers on the newer schema")
        said = two.command("db", "downgrade", "--reason", "it was too early")
    assert f"from {NEWEST} to {BEFORE}" in said
    assert "Would be lost" not in said
    assert not told.wrong(old.url, *permitted(two))


def proof_of(two: TwoVersions, web: Web, name: str) -> Proof:
    """Somebody who was invited has a mail with a code, on their homeserver for guests."""
    return two.ask_for_code(web, f"{name}@asso.example", f"@{name}:{GUESTS}")


def accept(two: TwoVersions, web: Web, proof: Proof) -> None:
    """They bind their address, and their homeserver is told of the invitation."""
    before = len(two.peer.told)
    two.bind(web, proof)
    wait_for(lambda: len(two.peer.told) == before + 1, what=f"{proof.who} is invited")


def look_with_commands(two: TwoVersions) -> None:
    """Commands of this version know what people did at the one before."""
    two.relay.replies.clear()
    waiting = json.loads(two.command("mail", "list", "--state", "waiting", "--json"))["mails"]
    (id_of_eves,) = [each["id"] for each in waiting if each["address"] == address_of("eve")]
    two.command("mail", "retry", id_of_eves)
    two.relay.wait_for_mail(address_of("eve"))
    assert "each as it was written" in two.command("journal", "verify")
    assert "address verified in a browser" in two.command("person", "show", address_of("camille"))
    assert "g•••@asso.example" in two.command("invitation", "list")


def test_an_upgrade_and_the_way_back_lose_nothing_while_both_versions_serve(two, redis_server):
    old, old_worker = bring_up(two)
    people = live(two, old)
    before = two.rows()
    # Her mail is tried again and again, each time with a new code.
    codes = [row for row in before["one_time_codes"] if row["subject"] != address_of("eve")]
    before = {**before, "one_time_codes": codes}
    new = upgrade_while_asked(two, old)
    assert not lost(before, two.rows())

    # A worker of the version before hears both webs, and by bells alone: it has no scheduler.
    go_on_at(two, new, people)
    across(two, new, old, "irene")
    worker = two.new.worker(two.environment)
    across(two, old, new, "jeanne")
    old_worker.stop()
    rung = redis_server.bells()[0]
    across(two, old, new, "karim")
    assert redis_server.bells()[0] > rung
    wait_for(lambda: redis_server.bells()[1] == 0, what="this version's worker hears all bells")
    accept(two, old, people.nina)
    look_with_commands(two)

    # Back: the older code first, its schema afterwards.
    new.stop()
    worker.stop()
    two.old.worker(two.environment)
    across(two, old, old, "lea")
    wait_for(lambda: two.count_open_jobs() == 0, what="nobody waits for a mail")
    reached = two.rows()
    downgrade_while_asked(two, old)
    then = two.rows()
    assert set(then) == set(before)
    assert not lost(part_of(reached, before), then)
    across(two, old, old, "marie")
    accept(two, old, proof_of(two, old, "gil"))
    revision, verified = two.command_before(("db", "current"), ("journal", "verify"))
    assert BEFORE in revision
    assert "each as it was written" in verified
