"""Everything known of one person: as a timeline for operators, and as an export for themselves."""

import json

import pytest

from domain_rules.addresses import EmailAddress
from identity.core.personal_data import Person, mask_names, redact
from identity.people import service as people
from tests.worlds.one_person.filling import fill_every_story
from tests.worlds.one_person.names import CAMILLE, GIL, HERS, LOCAL, TAGGED, ZOE, ZOES

# One section for each thing that is stored; whoever stores another one shows it.
SECTIONS = {
    *("operators", "operator_passkeys", "operator_sessions", "operator_sign_ins"),
    *("accepted_terms", "account_attempts", "accounts", "associations", "ended_accounts"),
    *("domain_askings", "domain_requests"),
    *("invitations", "invitations_of_others", "list_sign_ins", "lists", "mails", "person_files"),
    *(
        "blocked_as_inviter",
        "lost_invitations",
        "muted_by_others",
        "muted_inviters",
        "one_time_codes",
        "refusals",
        "room_checks",
        "rooms",
    ),
    *("rows_in_lists", "sessions", "successions", "suppressions", "tokens_of_matrix_clients"),
    *("validation_sessions", "verification_requests", "verified_addresses", "wrong_code_tries"),
}


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # both databases are tried in test_erasure.py


@pytest.fixture
def known(services):
    fill_every_story(services)
    with services.database.reading() as session:
        return people.known_of(session, services.hashes, services.now(), CAMILLE)


def test_a_timeline_has_something_of_every_story(known):
    told = people.timeline(known)
    assert {section for _, section, _ in told} == SECTIONS | {"journal"}
    assert [at for at, _, _ in told] == sorted(at for at, _, _ in told)
    words = "\n".join(what for _, _, what in told)
    for wanted in (
        "address typed in Firefox",
        "mail exists ordered; refused by the mail server: 550",
    ):
        assert wanted in words
    assert f"listed by {ZOE}" in words


def test_an_operator_reads_no_address_of_others(known):
    text = json.dumps(people.shown(known), ensure_ascii=False)
    assert LOCAL in text
    for other in (GIL, ZOES, "lea@asso.example"):
        assert other not in text
    assert ZOE in text
    assert "g•••@association.example" in text


def test_an_export_names_nobody_else(known, services):
    exported = people.export(known, services.now())
    text = json.dumps(exported, ensure_ascii=False)
    for other in (GIL, ZOES, ZOE, "lea@asso.example", "zoe.martin"):
        assert other not in text
    assert set(exported["data"]) == SECTIONS
    assert exported["accounts"] == [HERS]
    assert exported["other_spellings"] == [TAGGED.canonical]
    assert "@z•••:education.example" in text


def test_no_code_token_or_password_is_told(known):
    text = json.dumps(people.shown(known), ensure_ascii=False)
    for secret in ("sealed", "secret", "token_hash", "mark", "browser of"):
        assert secret not in text


def test_of_an_unknown_person_nothing_is_known(services):
    address = EmailAddress.parse("nobody@ac-rouen.example")
    with services.database.reading() as session:
        known = people.known_of(session, services.hashes, services.now(), address)
    assert not known.is_anything
    assert known.acts == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"<{CAMILLE.display.upper()}>, gil@x.example", "<•••>, gil@x.example"),
        (f"{CAMILLE}.", "•••"),
        (f"{CAMILLE}.csv", "•••.csv"),
        (f"x{CAMILLE}", f"x{CAMILLE}"),
        (f"{TAGGED.display};{CAMILLE.local}", f"•••;{CAMILLE.local}"),
    ],
)
def test_an_address_in_a_text_is_found_however_it_is_spelled(text, left):
    assert redact(text, Person(CAMILLE.canonical, (CAMILLE.canonical,))) == left


def test_dots_that_a_service_ignores_hide_nobody():
    ana = Person("anab@gmail.com", ("anab@gmail.com",))
    assert redact("A.N.A.B+x@googlemail.com", ana) == "•••"
    assert redact("a.n.a.b@elsewhere.example", ana) == "a.n.a.b@elsewhere.example"


def test_who_is_named_in_a_reason_is_masked():
    assert mask_names("asked by zoe@x.example, for @gil:x.example (or:@ana/é:x.example)") == (
        "asked by z•••@x.example, for @g•••:x.example (or:@a•••:x.example)"
    )
    assert mask_names("see https://x.example/?q=zoe%40x.example&b=1") == (
        "see https://x.example/?q=•••&b=1"
    )
