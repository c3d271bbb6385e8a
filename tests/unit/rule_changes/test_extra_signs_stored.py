"""Signs that a rule opens are part of its revision, and revisions of before stay what their digest says."""

import hashlib
import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core.database import Database, make_engine
from identity.migrations import upgrading
from identity.routing import models as rules
from identity.routing.models import RuleRevision

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def agents(extra_signs=""):
    return Rule(
        *(RuleKind.DOMAIN, "a.example", AccountClass.AGENT, "e.example"),
        requires_invite=False,
        extra_signs=extra_signs,
    )


def publish(session, number, **changes):
    revision = RuleRevision(
        number=number, based_on=number - 1, published_at=NOW, author="", reason="", summary=""
    )
    rules.write(session, revision, **changes)


def test_signs_are_kept_with_the_rule_and_come_back_with_its_revision(database):
    with database.transaction() as session:
        publish(session, 1, removed=[], added=[agents()])
        publish(session, 2, removed=[agents()], added=[agents("=&")])
    with database.reading() as session:
        assert rules.load(session, 1) == [agents()]
        assert rules.load(session, 2) == [agents("=&")]
        assert rules.digest(session, 1) != rules.digest(session, 2)


def test_a_rule_without_signs_has_the_digest_it_had_before_there_were_any(database):
    with database.transaction() as session:
        publish(session, 1, removed=[], added=[agents()])
    line = ["domain", "a.example", "agent", "e.example", False, None, "", None, [], None, "", None]
    as_before = "+" + json.dumps([*line, None], ensure_ascii=False)
    with database.reading() as session:
        assert rules.digest(session, 1) == hashlib.sha256(as_before.encode()).hexdigest()


@pytest.mark.slow
def test_rules_of_a_database_of_before_have_no_signs_after_the_upgrade(empty_database_url):
    upgrading.upgrade(empty_database_url, "0008")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO rule_revisions (number, based_on, published_at, author, reason, summary)"
                " VALUES (1, 0, '2027-03-01 09:00:00+00:00', '', '', '')"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO rules (since_revision, kind, pattern, account_class, homeserver,"
                " requires_invite, organisation, moved_from, note)"
                " VALUES (1, 'domain', 'a.example', 'agent', 'e.example', false, '', '[]', '')"
            )
        )
    upgrading.upgrade(empty_database_url)
    with Database(engine).reading() as session:
        assert rules.load(session, 1) == [agents()]
    engine.dispose()
