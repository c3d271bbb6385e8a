"""Lists of thousands of people, and the steps that the worker does for them."""

import pytest
from sqlalchemy import select

from identity.bulk_invites import checking, models as bulk_invites, ordering, service as lists
from identity.bulk_invites.models import BulkInvite, BulkInviteRow
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core import outbox
from identity.core.outbox import Lane
from tests.worlds.bulk_inviters import HERS, ROOM, ZOE
from workers import tasks

BATCH = 20  # in these tests, so that a list of forty is a long one
LONG = BATCH + 1
QUOTA = 10_000


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(checking, "AT_ONCE", BATCH)


def people(n: int, domain: str = "asso.example") -> str:
    """A list of so many guests; the last two are doubtful, and one is Zoe herself."""
    guests = [f"Personne {number};personne{number}@{domain}" for number in range(n - 3)]
    return "\n".join(["Nom;Adresse", *guests, "Zoé;" + HERS, "Gil;gil@gmial.com", "Léa;lea@@asso"])


def take(services, text, *, owner=ZOE, here=False) -> BulkInvite:
    """Hand a list in; a long one waits for the worker."""
    with services.database.transaction() as session:
        return lists.check(
            session,
            services.rules.current(),
            services.now(),
            owner=Owner(owner, HERS),
            room=RoomSeen(ROOM),
            raw=text.encode(),
            here=here,
        )


def confirm(services, made, quota=QUOTA) -> int:
    with services.database.transaction() as session:
        found = session.get_one(BulkInvite, made.id)
        rules = services.rules.current()
        return lists.confirm(session, rules, services.now(), found, quota=quota)


def work(services) -> None:
    """Let the worker do what long lists wait for."""
    tasks.run_lane(services, Lane.ACCOUNTS)


def some_work(services, made, batches: int) -> None:
    """So many batches of what a list waits for, by a worker that dies then."""
    with services.database.transaction() as session:
        found = session.get_one(BulkInvite, made.id)
        rules, now = services.rules.current(), services.now()
        begun = ordering.work_of(session, rules, now, found, quota=QUOTA)
    for _ in range(batches):
        with services.database.transaction() as session:
            assert begun.next_batch(session, now, session.get_one(BulkInvite, made.id))


def now_of(services, made) -> BulkInvite:
    with services.database.reading() as session:
        return session.get_one(BulkInvite, made.id)


def rows_of(services, made) -> list[BulkInviteRow]:
    with services.database.reading() as session:
        return bulk_invites.rows_of(session, made.id)


def jobs_of(services, made):
    with services.database.reading() as session:
        own = select(BulkInviteRow.id).where(BulkInviteRow.list_id == made.id)
        query = select(outbox.Job).where(outbox.Job.subject_id.in_(own), outbox.WAITING)
        return session.scalars(query.order_by(outbox.Job.due_at)).all()
