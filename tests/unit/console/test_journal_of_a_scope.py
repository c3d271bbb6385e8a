"""In the journal a scope shows what concerns its homeservers, domains and people, and nothing of others."""

from datetime import timedelta

import pytest

from domain_rules.rule import RuleKind
from identity.core import journal
from identity.core.journal import Actor
from identity.core.journal_places import (
    JournalPlace,
    of_addresses,
    of_decision,
    of_domain,
    of_users,
)
from identity.freezes import service as freezes
from identity.freezes.models import Frozen
from identity.mail import pausing
from identity.operators.roles import ALL, Role, Scope
from identity.rule_changes import changes, service as rule_changes
from tests.worlds.admin_api import *
from tests.worlds.services import EDUCATION, GUESTS, agent

ROUEN = "Éducation nationale – Rouen"
CAMILLE, GIL = "camille.durand@ac-rouen.example", "gil@asso.example"


@pytest.fixture
def reads(app, make_operator, issue_token):
    """What the journal tells somebody with this scope: actions and subjects."""

    def reads(*roles, scope=ALL, name="Reader", query=""):
        operator = make_operator(name, *(roles or (Role.VIEWER,)), scope=scope)
        token = issue_token(operator, scope=scope, name=f"of {name}")
        answer = Program(app, token).get(f"/journal{query}")
        assert answer.status_code == 200, answer.text
        return answer.json["items"]

    return reads


@pytest.fixture
def open_file(app, make_operator, issue_token):
    """Sal of support, who looks after everything, opens the file of an address."""
    sal = make_operator("Sal", Role.SUPPORT)
    program = Program(app, issue_token(sal, name="of Sal"))

    def open_file(address):
        answer = program.post("/people/search", {"address": address, "reason": WHY})
        assert answer.status_code in {200, 201}, answer.text

    return open_file


@pytest.fixture
def wrote(services, clock):
    """A row of this action that concerns these places."""

    def wrote(places, action="test.it", facts=None):
        with services.database.transaction() as session:
            who = Actor("Sal", "console 10.1.0.0/24", "gil@asso.example wrote")
            journal.write(
                session, clock(), who, action=action, subject="x", facts=facts or {}, places=places
            )

    return wrote


def openings(rows):
    return [row for row in rows if row["action"] == "person.open"]


def test_an_opening_is_seen_by_auditors_and_by_whom_the_person_belongs_to(reads, open_file):
    open_file(CAMILLE)
    by_organisation = Scope(organisations=frozenset({ROUEN}))
    by_homeserver = Scope(homeservers=frozenset({EDUCATION}))
    for number, scope in enumerate((Scope(), by_organisation, by_homeserver)):
        [row] = openings(reads(scope=scope, name=f"Reader {number}"))
        assert row["actor"] == "Sal"
        assert "camille" not in str(row).lower()
        assert "ac-rouen" not in str(row)
    [row] = openings(reads(Role.AUDITOR, name="Audrey"))
    assert row["reason"] == WHY
    for number, scope in enumerate(
        (Scope(homeservers=frozenset({GUESTS})), Scope(organisations=frozenset({"Others"})))
    ):
        assert reads(scope=scope, name=f"Stranger {number}") == []


def test_of_a_guest_the_homeserver_of_guests_sees_the_opening(reads, open_file):
    open_file(GIL)
    assert len(openings(reads(scope=Scope(homeservers=frozenset({GUESTS}))))) == 1
    assert openings(reads(scope=Scope(homeservers=frozenset({EDUCATION})), name="Emil")) == []


def test_whose_a_domain_is_now_decides_who_reads_of_it(reads, open_file, services, clock):
    open_file(GIL)
    scope = Scope(organisations=frozenset({"Asso"}))
    assert reads(scope=scope) == []
    opened = agent("asso.example", organisation="Asso")
    with services.database.transaction() as session:
        difference = rule_changes.compare(session, put=[opened])
        rule_changes.publish(session, clock(), difference, Actor("tests", "here", "Asso joins"))
    assert len(openings(reads(scope=scope, name="Later"))) == 1


def test_stops_of_a_domain_are_read_by_whom_it_belongs_to(reads, services, clock):
    who, until = Actor("Ines", "console", WHY), clock() + timedelta(hours=1)
    with services.database.transaction() as session:
        freezes.freeze(session, clock(), who, Frozen.DOMAIN, domain="ac-rouen.example", until=until)
        freezes.freeze(session, clock(), who, Frozen.MAILS, until=until)
        pausing.pause(session, clock(), who, kind="", domain="ac-rouen.example", until=until)
        pausing.pause(session, clock(), who, kind="", domain="asso.example", until=until)
        freezes.thaw(session, clock(), who, Frozen.DOMAIN, domain="ac-rouen.example")
    found = reads(scope=Scope(homeservers=frozenset({EDUCATION})))
    assert [row["action"] for row in found] == ["freeze.end", "mail.pause", "freeze.begin"]
    assert "asso" not in str(found)


@pytest.mark.parametrize(
    ("places", "scope", "sees"),
    [
        (of_users(["@zoe:education.example"]), {"homeservers": EDUCATION}, True),
        (of_users(["@zoe:education.example", None]), {"homeservers": GUESTS}, False),
        (of_addresses([CAMILLE]), {"organisations": ROUEN}, True),
        (of_addresses(["erased-4711"]), {"organisations": ROUEN}, False),
        (of_domain("sub.ac-rouen.example"), {"organisations": ROUEN}, False),
        (of_domain(""), {"homeservers": EDUCATION}, False),
        (of_decision(None, ROUEN), {"organisations": ROUEN}, True),
        # A homeserver may be shared: it does not make a row that of an organisation there.
        (of_decision(EDUCATION, "Others"), {"organisations": ROUEN}, False),
        (of_domain("ac-rouen.example") | of_domain("asso.example"), {"homeservers": GUESTS}, True),
    ],
)
def test_a_row_is_of_whom_one_of_its_places_is(reads, wrote, places, scope, sees):
    wrote(places)
    named = Scope(**{name: frozenset({value}) for name, value in scope.items()})
    assert [row["action"] for row in reads(scope=named)] == ["test.it"] * sees


def test_a_change_is_of_a_scope_that_holds_all_of_it(reads, services, clock):
    who, scope = Actor("Emil", "console", WHY), Scope(organisations=frozenset({ROUEN}))
    with services.database.transaction() as session:
        theirs, of_all = (RuleKind.DOMAIN, "ac-rouen.example"), (RuleKind.DEFAULT, "")
        for title, keys in (("one", [theirs]), ("two", [theirs, of_all])):
            changes.make(session, clock(), who, title=title, take_away=keys)
    assert [row["subject"] for row in reads(scope=scope)] == ["C-1"]
    assert len(reads(name="Whole", query="?action=change")) == 2


def test_names_are_masked_for_a_scope_too(reads, wrote):
    wrote(of_domain("ac-rouen.example"), facts={"of": GIL, "by": "@gil:guests.example"})
    [row] = reads(scope=Scope(organisations=frozenset({ROUEN})))
    assert row["reason"] == "g•••@asso.example wrote"
    assert row["facts"] == {"of": "g•••@asso.example", "by": "@g•••:guests.example"}


def test_no_place_is_an_address(services, open_file):
    open_file(CAMILLE)
    with services.database.reading() as session:
        found = {(each.kind, each.name) for each in session.query(JournalPlace)}
    assert ("domain", "ac-rouen.example") in found
    assert not any("@" in name for _, name in found)
