"""Measures the check of a change: every known address through the rules before and after it.

In seconds of this process's CPU, since the machine may have other work.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import insert, text

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core.clock import utc_now
from identity.core.database import Database
from identity.core.journal import Actor
from identity.homeservers.models import Homeserver
from identity.routing import models as stored_rules
from identity.rule_changes import changes, checking, service
from identity.rule_changes.change_models import ChangeState
from identity.threepids.associations import Association

from .databases import new_database
from .rows import Row

RULES = 33_000
ADDRESSES = 300_000
PART = 20_000
AGENTS, OTHERS = "agents.example", "others.example"
ME = Actor("bench", "here", "a measurement")
EVERY = 5_000  # addresses, after which progress is shown


def measure() -> Iterator[Row]:
    """Run the suite."""
    with new_database() as database:
        _fill(database)
        now = utc_now()
        moved = [replace(rule, homeserver=OTHERS) for rule in _rules()]
        began = time.process_time()
        with database.transaction() as session:
            number = changes.make(session, now, ME, title="all move", put=moved).number
        made = time.process_time() - began
        shown: list[tuple[int, int]] = []
        began = time.process_time()
        with database.reading() as session:
            change = changes.required(session, number)
            follow = checking.following(lambda done, total: shown.append((done, total)), EVERY)
            checked = checking.count(session, now, change, follow)
        counted = time.process_time() - began
        if checked.replayed.impact.change_homeserver != ADDRESSES:
            raise SystemExit(f"{checked.replayed.impact} is not the number of addresses")
        began = time.process_time()
        with database.transaction() as session:
            change = changes.required(session, number)
            checking.store(session, now, change, checked, (ChangeState.DRAFT,))
        stored = time.process_time() - began
        began = time.process_time()
        with database.transaction() as session:
            basis = checking.basis_of(session, checked.difference)
            number = service.publish(session, now, checked.difference, ME)
        published = time.process_time() - began
        if basis != checked.basis:
            raise SystemExit("what was counted moved meanwhile")
        plain = _read_and_decide(database, number)
    told = (
        f"{ADDRESSES:,} addresses, two sets of {RULES:,} rules; draft made in {made:.1f} s, effects "
        f"stored in {stored:.1f} s, published in {published:.1f} s; progress shown {len(shown)} times"
    )
    yield Row("check of a change to one pass over the addresses", counted / plain, "x", at_most=6)
    yield Row("check of a change, CPU", counted, "s", at_most=20, detail=told)


def _read_and_decide(database: Database, revision: int) -> float:
    """The seconds to load one set of rules, and to read every address and decide it once."""
    began = time.process_time()
    with database.reading() as session:
        rules = stored_rules.load_rule_set(session, at=utc_now(), revision=revision)
        rows = session.execute(text("select address from associations")).scalars()
        decided = sum(1 for each in rows if rules.decide(EmailAddress.stored(each)).rule)
    if decided != ADDRESSES:
        raise SystemExit(f"{decided} addresses")
    return time.process_time() - began


def _fill(database: Database) -> None:
    now = utc_now()
    with database.transaction() as session:
        for name in (AGENTS, OTHERS):
            session.add(homeserver(name))
        session.flush()
        difference = service.compare(session, put=_rules())
        service.publish(session, now, difference, ME)
    for first in range(0, ADDRESSES, PART):
        with database.transaction() as session:
            session.execute(insert(Association), list(_associations(first)))


def _rules() -> Iterable[Rule]:
    return [
        Rule(RuleKind.DOMAIN, f"d{n}.example", AccountClass.AGENT, AGENTS, requires_invite=False)
        for n in range(RULES)
    ]


def _associations(first: int) -> Iterator[dict[str, Any]]:
    bound_at = utc_now() - timedelta(days=1)
    for n in range(first, min(first + PART, ADDRESSES)):
        address = f"p{n}@d{n % RULES}.example"
        user_id = f"@p{n}:{AGENTS}"
        yield {"medium": "email", "address": address, "user_id": user_id, "bound_at": bound_at}


def homeserver(name: str) -> Homeserver:
    return Homeserver(
        name=name,
        url="http://127.0.0.1:1",
        label=name,
        connector="none",
        user_id_scheme="address",
        class_source="agent",
        created_at=utc_now(),
    )
