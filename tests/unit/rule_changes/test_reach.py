"""A change of rules reads the addresses that it can reach, and finds what reading all of them finds."""

import re
import uuid
from dataclasses import replace

import pytest
from hypothesis import (
    HealthCheck,
    example,
    given,
    settings as hypothesis_settings,
    strategies as st,
)
from sqlalchemy import insert

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from identity.accounts.models import Account, AccountState
from identity.invitations.models import ThirdPartyInvitation
from identity.routing import models as rules
from identity.rule_changes import checking, reach, service
from identity.rule_changes.impact import INVITED, KNOWN, replay
from identity.rule_changes.reach import EVERYBODY, Reach, reach_of
from identity.threepids import associations
from identity.threepids.associations import Association
from tests.worlds.services import EDUCATION, GUESTS, agent
from tests.worlds.statements import statements

HEALTH = "health.example"
DOMAINS = ("a.example", "x.a.example", "y.x.a.example", "xa.example", "b.example", "example")
ADDRESSES = tuple(f"{name}@{domain}" for name in ("ana", "gil=x") for domain in DOMAINS)
# How an address is known: bound, with an account, both, or invited only.
PEOPLE = st.dictionaries(
    st.sampled_from(ADDRESSES), st.sampled_from(("bound", "made", "both", "invited"))
)
KEYS = st.one_of(
    st.tuples(st.just(RuleKind.ADDRESS), st.sampled_from(ADDRESSES)),
    st.tuples(st.sampled_from((RuleKind.DOMAIN, RuleKind.SUFFIX)), st.sampled_from(DOMAINS)),
    st.just((RuleKind.DEFAULT, "")),
)
PLACES = st.sampled_from((EDUCATION, HEALTH, GUESTS, None))


def rule_of(key, place, *, needs_invite):
    kind, pattern = key
    if place is None and kind is RuleKind.DEFAULT:
        place = GUESTS
    return Rule(
        kind,
        pattern,
        AccountClass.GUEST if place == GUESTS else AccountClass.AGENT,
        place,
        requires_invite=needs_invite,
        sibling_of=None if place else "sibling.example",
    )


RULES = st.dictionaries(KEYS, st.tuples(PLACES, st.booleans()), max_size=6).map(
    lambda found: {
        key: rule_of(key, place, needs_invite=needs) for key, (place, needs) in found.items()
    }
)


def put(session, clock, known):
    for table in (Association, Account, ThirdPartyInvitation):
        session.query(table).delete()
    for number, (address, how) in enumerate(sorted(known.items())):
        user_id = f"@p{number}:{(EDUCATION, HEALTH, GUESTS)[number % 3]}"
        if how in {"bound", "both"}:
            session.execute(
                insert(Association).values(
                    medium="email", address=address, user_id=user_id, bound_at=clock()
                )
            )
        if how in {"made", "both"}:
            session.add(account(address, f"@made{number}:{EDUCATION}", clock))
        if how == "invited":
            session.add(invitation(address, number, clock))
    session.flush()


def account(address, user_id, clock):
    texts = dict.fromkeys(("display_name", "language", "creation_mark"), "")
    places = {"homeserver": EDUCATION, "account_class": "agent", "state": AccountState.READY}
    return Account(address=address, user_id=user_id, created_at=clock(), **texts, **places)


def invitation(address, number, clock):
    return ThirdPartyInvitation(
        id=uuid.uuid4(),
        address=address,
        room_id="!room:education.example",
        sender="@zoe:education.example",
        token=f"token{number}",
        public_key=f"public{number}",
        sealed_key="sealed",
        signing_key_id="ed25519:0",
        facts={},
        for_guest=True,
        created_at=clock(),
        expires_at=clock(),
    )


@given(PEOPLE, RULES, RULES)
@example(  # an address that two rules of the difference cover is counted once
    {"ana@x.a.example": "both"},
    {},
    {
        (kind, pattern): rule_of((kind, pattern), EDUCATION, needs_invite=False)
        for kind, pattern in (
            (RuleKind.SUFFIX, "a.example"),
            (RuleKind.SUFFIX, "x.a.example"),
            (RuleKind.DOMAIN, "x.a.example"),
            (RuleKind.ADDRESS, "ana@x.a.example"),
        )
    },
)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_those_in_reach_finds_what_reading_everybody_finds(
    services, clock, known, before, after
):
    gone = [key for key in before if key not in after]
    difference = service.difference_between(1, before, after, gone)
    old, new = (RuleSet.compile(each.values(), at=clock()) for each in (before, after))
    with services.database.transaction() as session:
        put(session, clock, known)
        narrow = reach_of([*difference.ended, *difference.begun])
        some, everybody = (replay(session, old, new, reach=each) for each in (narrow, EVERYBODY))
        assert some.impact.known <= everybody.impact.known
        counted = replace(some.impact, known=everybody.impact.known)
        assert replace(some, impact=counted) == everybody
        session.rollback()


def test_who_opens_a_domain_reads_none_but_its_own(services, clock):
    known = {"ana@a.example": "bound", "gil@b.example": "both", "ana@xa.example": "made"}
    with services.database.transaction() as session:
        put(session, clock, known)
    read = []

    def follow(rows, total):
        read.extend(rows)
        assert len(read) == total
        return read

    with services.database.reading() as session, statements(services.database.engine) as sent:
        difference = service.compare(session, put=[agent("b.example")])
        checked = checking.count_difference(session, clock(), difference, follow)
    assert [address for address, _ in read] == ["gil@b.example"]
    assert (checked.replayed.impact.known, checked.replayed.impact.become_agents) == (1, 1)
    of_people = [each for each, _ in sent if "FROM associations" in each or "FROM accounts" in each]
    assert of_people
    for each in of_people:
        assert "address, '@'" in each or "LIMIT" in each, "none goes through everybody"
    assert checked.basis.addresses == 2, "an account and an association"


def test_who_is_unbound_while_everybody_is_read_is_counted_once(services, clock):
    with services.database.transaction() as session:
        put(session, clock, {"gil@b.example": "both"})

    def follow(rows, _total):
        for address, user_id in rows:
            with services.database.transaction() as other:
                associations.unbind(other, address=address, user_id=user_id)
            yield address, user_id

    with services.database.reading(as_of_one_moment=True) as session:
        difference = service.compare(session, put=[agent("b.example")])
        checked = checking.count_difference(session, clock(), difference, follow)
    assert checked.replayed.impact.known == 1
    with services.database.reading() as session:
        assert session.query(Association).count() == 0, "elsewhere it is seen at once"


@pytest.fixture
def counted(services, clock):
    """What opening b.example counts now."""

    def counted():
        with services.database.reading() as session:
            difference = service.compare(session, put=[agent("b.example")])
            return checking.basis_of(session, difference)

    return counted


def test_who_is_bound_elsewhere_meanwhile_does_not_move_what_was_counted(services, clock, counted):
    before = counted()
    for address, moves in (("ana@a.example", False), ("ana@b.example", True)):
        with services.database.transaction() as session:
            associations.bind(session, clock(), address=address, user_id=f"@{address[4]}:x.example")
        assert (counted() != before) is moves, address


def test_a_change_of_the_default_or_of_very_much_concerns_everybody(monkeypatch):
    default = rule_of((RuleKind.DEFAULT, ""), GUESTS, needs_invite=True)
    assert reach_of([agent("a.example"), default]) == EVERYBODY
    monkeypatch.setattr(reach, "MAX_PATTERNS", 2)
    three = [agent(f"{name}.example") for name in "abc"]
    assert reach_of(three) == EVERYBODY
    assert reach_of(three[:2]) == Reach(domains=("a.example", "b.example"))


def test_many_suffixes_concern_everybody_as_each_is_compared_with_every_address():
    suffixes = [
        rule_of((RuleKind.SUFFIX, f"s{number}.example"), EDUCATION, needs_invite=False)
        for number in range(reach.MAX_SUFFIXES + 1)
    ]
    assert reach_of(suffixes) == EVERYBODY
    assert len(reach_of(suffixes[1:]).suffixes) == reach.MAX_SUFFIXES
    within = rule_of((RuleKind.SUFFIX, "a.s1.example"), EDUCATION, needs_invite=False)
    assert reach_of([*suffixes[1:], within]) == reach_of(suffixes[1:])


@pytest.mark.parametrize(
    "query",
    [*KNOWN, (INVITED, ThirdPartyInvitation.address)],
    ids=lambda query: query[1].class_.__tablename__,
)
def test_those_of_an_address_or_a_domain_are_found_by_an_index(services, query):
    asked, column = query
    found = Reach(addresses=("ana@b.example",), domains=("a.example",))
    with services.database.reading() as session:
        on_server = session.get_bind().dialect.name == "postgresql"
        if on_server:  # the tables are empty
            session.connection().exec_driver_sql("set local enable_seqscan = off")
        for condition in found.conditions(column):
            with statements(services.database.engine) as sent:
                session.execute(asked.where(condition)).all()
            [(statement, values)] = sent
            explain = "explain " if on_server else "explain query plan "
            plan = str(session.connection().exec_driver_sql(explain + statement, values).all())
            assert not re.search("SCAN|Seq Scan", plan), plan


def test_rules_are_found_one_by_one_or_among_all(services, monkeypatch):
    keys = [(RuleKind.DOMAIN, "ac-rouen.example"), (RuleKind.SUFFIX, "x.example")]
    with services.database.reading() as session:
        one_by_one = rules.find(session, keys, revision=1)
        monkeypatch.setattr(rules, "FEW", 0)
        assert rules.find(session, keys, revision=1) == one_by_one
    assert [rule.name for rule in one_by_one] == ["domain:ac-rouen.example"]
