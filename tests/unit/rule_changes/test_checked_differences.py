"""A difference is counted exactly, tells of moves, and is published whole or not at all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity import problems
from identity.core.journal import Actor
from identity.homeservers import models as homeservers
from identity.invitations.models import ThirdPartyInvitation
from identity.routing import models as rules
from identity.rule_changes import checking, journal_check, service as rule_changes
from identity.rule_changes.impact import Impact
from identity.rule_changes.moves import MOVING
from identity.threepids import associations
from tests.worlds.services import EDUCATION, GUESTS, agent

ME = Actor("Ana", "a test", "because")
HEALTH = "health.example"
ROUEN = agent("ac-rouen.example")


@pytest.fixture
def health(services, clock):
    """A second homeserver for agents."""
    with services.database.transaction() as session:
        education = homeservers.find(session, EDUCATION)
        facts = {
            column.key: getattr(education, column.key)
            for column in education.__table__.columns
            if column.key not in {"name", "guests"}
        }
        session.add(type(education)(name=HEALTH, **facts))
    return HEALTH


@pytest.fixture
def people(services, clock):
    """Two agents of Rouen, and a guest whose domain nobody opened."""
    with services.database.transaction() as session:
        for address, user_id in (
            ("ana@ac-rouen.example", f"@ana:{EDUCATION}"),
            ("bea@ac-rouen.example", f"@bea:{EDUCATION}"),
            ("gil@asso.example", f"@g1:{GUESTS}"),
        ):
            associations.bind(session, clock(), address=address, user_id=user_id)


@pytest.fixture
def check(services, clock):
    def check(**change):
        with services.database.reading() as session:
            difference = rule_changes.compare(session, **change)
            return checking.count_difference(session, clock(), difference)

    return check


@pytest.fixture
def publish(services, clock, check):
    def publish(checked=None, **change):
        checked = checked or check(**change)
        with services.database.transaction() as session:
            return rule_changes.publish(session, clock(), checked.difference, ME)

    return publish


def in_force(services, number=None):
    with services.database.reading() as session:
        newest = rules.current_number(session) if number is None else number
        return {rule.name: rule for rule in rules.load(session, newest)}


def test_a_domain_that_opens_later_is_checked_as_any_other(check, clock):
    later = replace(agent("asso.example"), valid_from=clock() + timedelta(days=1))
    assert check(put=[later]).warnings == ()


def test_an_opened_domain_makes_its_guests_agents_and_remembers_where_they_are(check, people):
    opened = agent("asso.example")
    checked = check(put=[opened])
    assert checked.replayed.impact == Impact(
        known=1,
        change_homeserver=1,
        become_agents=1,
        gain_access=1,
        domains=(("asso.example", 1),),
        is_large=True,
    )
    assert checked.difference.added[0].moved_from == (GUESTS,)


@pytest.mark.parametrize(("others", "is_large"), [(0, True), (16, True), (17, False)])
def test_more_than_a_tenth_of_all_known_addresses_is_a_large_share(
    check, people, services, clock, others, is_large
):
    """One moves and becomes an agent: two effects on one address, among twenty."""
    with services.database.transaction() as session:
        for number in range(others):
            associations.bind(
                session, clock(), address=f"p{number}@x.example", user_id=f"@p{number}:{GUESTS}"
            )
    assert check(put=[agent("asso.example")]).replayed.impact.is_large is is_large


def test_an_opened_domain_nobody_is_known_of_has_no_past(check, people):
    checked = check(put=[agent("other.example")])
    assert (checked.replayed.impact.is_empty, checked.difference.added[0].moved_from) == (True, ())


def test_a_closed_domain_takes_access_away(check, people):
    impact = check(take_away=[ROUEN]).replayed.impact
    assert (impact.lose_access, impact.become_guests, impact.change_homeserver) == (2, 2, 2)


def test_a_sibling_takes_access_away_too(check, people):
    sibling = replace(ROUEN, homeserver=None, sibling_of="ac-normandie.example")
    assert check(put=[sibling]).replayed.impact.lose_access == 2


def test_invitations_that_wait_are_counted(check, services, clock):
    with services.database.transaction() as session:
        session.add(
            ThirdPartyInvitation(
                address="gil@asso.example",
                room_id="!room:education.example",
                sender="@zoe:education.example",
                token="token",
                public_key="public",
                sealed_key="sealed",
                signing_key_id="ed25519:0",
                facts={},
                for_guest=True,
                created_at=clock(),
                expires_at=clock() + MOVING,
            )
        )
    impact = check(put=[agent("asso.example")]).replayed.impact
    assert (impact.known, impact.invitations, impact.domains) == (0, 1, (("asso.example", 1),))
    assert check(put=[agent("other.example")]).replayed.impact.invitations == 0


def test_a_move_tells_of_the_former_homeserver_for_sixty_days(
    publish, services, health, people, clock
):
    publish(put=[replace(ROUEN, homeserver=HEALTH)])
    moved = in_force(services)["domain:ac-rouen.example"]
    assert (moved.moved_from, moved.moving_until) == ((EDUCATION,), clock() + MOVING)
    assert moved.former_homeservers(clock() + timedelta(days=59)) == (EDUCATION,)
    assert moved.former_homeservers(clock() + timedelta(days=60)) == ()


def test_a_move_back_tells_of_both(publish, services, health):
    publish(put=[replace(ROUEN, homeserver=HEALTH)])
    publish(put=[ROUEN])
    assert in_force(services)["domain:ac-rouen.example"].moved_from == (HEALTH,)


def test_a_rule_that_takes_addresses_from_a_wider_one_is_a_move(check, publish, health):
    publish(
        put=[
            Rule(
                RuleKind.SUFFIX, "gov.example", AccountClass.AGENT, EDUCATION, requires_invite=False
            )
        ]
    )
    checked = check(put=[replace(agent("sante.gov.example"), homeserver=HEALTH)])
    assert checked.difference.added[0].moved_from == (EDUCATION,)


def test_a_rule_that_says_nothing_of_the_move_keeps_it(check, publish, health):
    there = replace(ROUEN, homeserver=HEALTH)
    publish(put=[there])
    assert check(put=[there]).difference.is_empty


def test_what_was_counted_against_an_older_base_is_refused(check, publish, services):
    checked = check(put=[agent("a.example")])
    publish(put=[agent("b.example")])
    with pytest.raises(problems.BaseMoved):
        publish(checked)
    assert set(in_force(services)) == {"default", "domain:ac-rouen.example", "domain:b.example"}
    assert publish(put=[agent("a.example")]) == 3


def test_whole_takes_away_what_is_not_named(check):
    removed = check(put=[ROUEN], whole=True).difference.removed
    assert [rule.name for rule in removed] == ["default"]


def test_rolling_back_publishes_the_old_rules_again(publish, services, clock):
    before = in_force(services)
    publish(put=[agent("a.example")], take_away=[ROUEN])
    with services.database.transaction() as session:
        difference = rule_changes.compare_to_revision(session, 1)
        assert rule_changes.publish(session, clock(), difference, ME) == 3
    assert in_force(services) == before
    assert set(in_force(services, 2)) == {"default", "domain:a.example"}
    with services.database.reading() as session:
        assert rule_changes.compare_revisions(session, 1, 3).is_empty
        assert rule_changes.compare_revisions(session, 2, 3).summary == "+1 -1 ~0"
        with pytest.raises(problems.NoSuchRevision):
            rule_changes.compare_revisions(session, 1, 4)


def test_every_publication_stands_in_the_journal_and_is_checked_against_the_rules(
    publish, services
):
    publish(put=[agent("a.example")])
    with services.database.reading() as session:
        assert journal_check.verify(session).fault is None
    with services.database.transaction() as session:
        row = session.query(rules.StoredRule).filter_by(pattern="a.example").one()
        row.homeserver = GUESTS
    with services.database.reading() as session:
        assert "revision 2" in journal_check.verify(session).fault.what


def test_a_revision_without_a_row_is_found(services, clock):
    with services.database.transaction() as session:
        session.add(
            rules.RuleRevision(
                number=2, based_on=1, published_at=clock(), author="", reason="", summary=""
            )
        )
    with services.database.reading() as session:
        assert "revision 2" in journal_check.verify(session).fault.what
