"""Who is an agent on a homeserver of both kinds, told by numbers; on both databases."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import event

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.accounts import feed_state, verified_addresses
from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.homeservers.models import Homeserver
from identity.rule_changes import service as rule_changes
from identity.synapse_api import sync

MIXED = "mixed.example"
ZOE, GIL = f"@zoe:{MIXED}", f"@gil:{MIXED}"


def rule(pattern, **facts) -> Rule:
    return Rule(
        RuleKind.DOMAIN,
        pattern,
        AccountClass.AGENT,
        "education.example",
        requires_invite=False,
        **facts,
    )


@pytest.fixture
def mixed(database, clock):
    """Two homeservers: one of both kinds, one of agents."""
    with database.transaction() as session:
        for name, source in ((MIXED, "by_person"), ("education.example", "agent")):
            session.add(
                Homeserver(
                    name=name,
                    url="http://127.0.0.1:1",
                    label=name,
                    connector="none",
                    user_id_scheme="address",
                    class_source=source,
                    created_at=clock(),
                )
            )


@pytest.fixture
def feed(database, clock, mixed):
    """`feed(rules, since)`: number, who was added, who removed; judged anew if need be."""

    def feed(rules, since=0):
        with database.transaction() as session:
            if sync.needs_classification(session, rules, clock()):
                sync.classify_agents(session, rules, clock())
                assert not sync.needs_classification(session, rules, clock())
        with database.reading() as session:
            state = feed_state.find_state(session)
            said = json.loads(sync.agents_since(session, state, since).body)
        return said["number"], said["added"], said["removed"]

    return feed


@pytest.fixture
def prove(database, clock):
    def prove(user_id, *addresses):
        with database.transaction() as session:
            for address in addresses:
                verified_addresses.add(session, clock(), user_id=user_id, address=address)

    return prove


def test_the_first_is_told_when_its_address_comes_and_when_it_goes(feed, prove, rules, database):
    assert feed(rules) == (0, [], [])
    prove(ZOE, "zoe@asso.example", "zoe@ac-rouen.example")
    prove(GIL, "gil@asso.example")
    number, added, _ = feed(rules)
    assert (number, added) == (1, [ZOE])
    with database.transaction() as session:
        verified_addresses.remove(session, user_id=ZOE, address="zoe@ac-rouen.example")
    assert feed(rules, since=1) == (2, [], [ZOE])
    assert feed(rules) == (2, [], [])


def test_one_of_several_agents_addresses_is_enough(feed, prove, rules, database):
    prove(ZOE, "zoe@ac-rouen.example", "z@ac-rouen.example")
    assert feed(rules) == (1, [ZOE], [])
    with database.transaction() as session:
        verified_addresses.remove(session, user_id=ZOE, address="z@ac-rouen.example")
    assert feed(rules, since=1) == (1, [], [])
    with database.transaction() as session:
        verified_addresses.remove_all(session, ZOE)
    assert feed(rules, since=1) == (2, [], [ZOE])


def test_a_validity_that_begins_changes_the_feed_without_a_new_revision(feed, prove, clock):
    opens = clock() + timedelta(days=1)
    some = [rule("asso.example", valid_from=opens)]
    prove(GIL, "gil@asso.example")
    assert feed(RuleSet.compile(some, revision=3, at=clock())) == (0, [], [])
    clock.advance(days=2)
    assert feed(RuleSet.compile(some, revision=3, at=clock())) == (1, [GIL], [])


def test_a_homeserver_that_becomes_one_of_agents_leaves_the_feed(feed, prove, rules, database):
    prove(ZOE, "zoe@ac-rouen.example")
    assert feed(rules) == (1, [ZOE], [])
    with database.transaction() as session:
        homeservers.find(session, MIXED).class_source = "agent"
    assert feed(rules, since=1) == (2, [], [ZOE])


def test_people_of_homeservers_of_one_kind_are_not_in_the_feed(feed, prove, rules):
    prove("@camille:education.example", "camille@ac-rouen.example")
    prove(f"@camille:not-{MIXED}", "camille@ac-rouen.example")
    assert feed(rules) == (0, [], [])


def test_a_process_with_older_rules_does_not_take_back_what_newer_ones_gave(feed, prove, rules):
    prove(GIL, "gil@asso.example")
    newer = RuleSet.compile([*rules.rules, rule("asso.example")], revision=rules.revision + 1)
    assert feed(newer) == (1, [GIL], [])
    assert feed(rules, since=1) == (1, [], [])


def test_a_revision_is_read_once_however_many_ask(database, mixed, clock):
    with database.transaction() as session:
        difference = rule_changes.compare(session, put=[rule("asso.example")])
        rule_changes.publish(session, clock(), difference, Actor("tests", "here", "why"))
    read = []

    def count(_connection, _cursor, statement, *_):
        if "FROM rules" in statement:
            read.append(statement)

    event.listen(database.engine, "before_cursor_execute", count)
    made = sync.RulesFeed()

    def ask(homeserver):
        with database.transaction() as session:
            state = feed_state.lock_state(session)
            return made.answer(session, state, homeserver=homeserver, names=["is.example"])

    first, again, other = ask(MIXED), ask(MIXED), ask("education.example")
    assert len(read) == 1
    assert (first.tag, first.body) == (again.tag, again.body)
    assert other.tag != first.tag
    assert json.loads(other.body)["homeserver"]["name"] == "education.example"


@pytest.mark.parametrize(
    ("tags", "sent", "held"),
    [
        ((), None, 89),  # it never asked before
        (("e.88.abc",), 88, 89),  # it takes what it is sent
        (("e.89.abc",), 88, 89),  # it has it already
        (("e.89.def",), 89, 89),  # it has it, and something else of the answer changed
        (("e.88.abc",), 89, 88),  # it was sent 89 before, and did not take it
        (("old.95.abc",), 89, 89),  # what it has is of another epoch
        (("e.x.abc",), 89, 89),
        (("e.²", "e." + "9" * 400), 89, 89),
    ],
)
def test_a_module_has_what_it_is_sent_unless_it_says_that_it_did_not_take_it(tags, sent, held):
    made = sync.Answer(b"{}", 89, "e.89.abc")
    assert sync.find_held(made, set(tags), sent) == held
