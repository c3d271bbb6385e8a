"""Measures how a command opens one domain beside very many known addresses: counted, then published.

The best of a few, since the machine may have other work; beside it this process's CPU.
"""

import time
from collections.abc import Iterator
from typing import Final

from pydantic import SecretStr
from sqlalchemy import text

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core.clock import utc_now
from identity.core.database import Database, make_engine
from identity.core.database_deadlines import UPGRADE
from identity.core.journal import Actor
from identity.rule_changes import at_once, service
from identity.rule_changes.at_once import Wanted
from identity.settings import Settings
from tests.services.keys import KEYS, PUBLIC_HALF

from .changes import AGENTS, OTHERS, homeserver
from .databases import new_database
from .rows import Row

RULES: Final = 33_000
FEW, MANY = 100_000, 1_000_000  # associations, in one domain of each rule and in as many others
TIMES: Final = 5
ME: Final = Actor("bench", "here", "a measurement")
FILL: Final = """insert into associations (medium, address, user_id, bound_at)
    select 'email', 'p' || n || '@d' || n % 66000 || '.example', '@p' || n || '\\:agents.example', now()
    from generate_series(cast(:first as int), cast(:last as int)) as n"""


def measure() -> Iterator[Row]:
    """Run the suite."""
    with new_database() as database:
        with database.transaction() as session:
            session.add_all([homeserver(AGENTS), homeserver(OTHERS)])
            session.flush()
            difference = service.compare(session, put=[_rule(n) for n in range(RULES)])
            service.publish(session, utc_now(), difference, ME)
        _fill(database, 0, FEW)
        few, _ = min(_publish(database, RULES + n) for n in range(TIMES))
        _fill(database, FEW, MANY)
        many, cpu = min(_publish(database, RULES + TIMES + n) for n in range(TIMES))
    told = f"{few:.2f} s beside {FEW:,}; this process's CPU {cpu:.2f} s; the best of {TIMES}"
    title = f"one domain published beside {MANY:,} known addresses and {RULES:,} rules"
    yield Row(title, many, "s", at_most=1, detail=told)
    yield Row(f"{title}, to {FEW:,} addresses", many / few, "x", at_most=1.3)


def _publish(database: Database, number: int) -> tuple[float, float]:
    """The seconds, and those of this process's CPU, to open one domain that people are known of."""
    names = ("secret_keys", "storage_keys", "homeserver_public_key")
    keys = {name: KEYS[f"GUICHET_{name.upper()}"] for name in names}
    broker = SecretStr("redis://127.0.0.1:1/0")
    settings = Settings(database_url=SecretStr("sqlite://"), broker_url=broker, **keys)
    wanted = Wanted(title="one more", put=[_rule(number)])
    began, cpu = time.perf_counter(), time.process_time()
    with database.reading() as session:
        checked = at_once.count(session, utc_now(), wanted)
    with database.transaction() as session:
        outcome = at_once.settle(
            session, settings, PUBLIC_HALF, utc_now(), ME, wanted=wanted, checked=checked
        )
    taken = time.perf_counter() - began, time.process_time() - cpu
    if outcome is None or not outcome.revision or not checked.replayed.impact.gain_access:
        raise SystemExit(f"{outcome}: not published, or nobody is concerned")
    return taken


def _rule(number: int) -> Rule:
    pattern = f"d{number}.example"
    return Rule(RuleKind.DOMAIN, pattern, AccountClass.AGENT, AGENTS, requires_invite=False)


def _fill(database: Database, first: int, last: int) -> None:
    filled = Database(
        make_engine(str(database.engine.url.render_as_string(hide_password=False)), UPGRADE)
    )
    with filled.transaction() as session:
        session.execute(text(FILL), {"first": first, "last": last - 1})
    with filled.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze associations"))
    filled.engine.dispose()
