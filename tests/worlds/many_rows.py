"""An installation after some years: what is over fills the tables, and little waits.

Written in SQL, since hundreds of thousands of rows would take minutes otherwise.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, text
from sqlalchemy.orm import Session

from identity.core.database import UtcDateTime

DAYS: Final = 20  # over which the rows are spread
GROWING: Final = (
    *("outbox", "mails", "third_party_invitations", "journal", "accounts", "associations"),
    "verification_requests",
)
"""Tables that grow with what people do."""
UUID: Final = {"postgresql": "gen_random_uuid()", "sqlite": "lower(hex(randomblob(16)))"}
# Of a hundred jobs one was given up; of a hundred invitations fifty are live, and one was revoked
# before its room was known to have it.
OVER: Final = (
    """insert into outbox
    (id, errand, lane, subject_id, created_at, due_at, attempts, done_at, gave_up_at)
    {numbers} select {uuid}, 'mail', 'urgent', {uuid}, :at, :at, 1,
    case when n % 100 > 0 then :at end, case when n % 100 = 0 then :at end from numbers""",
    """insert into mails
    (id, template, address, mailbox, language, subject_id, state, created_at, due_at, handed_at,
    ended_at) {numbers} select {uuid}, 'verify', 'p' || n || '@open.example', 'p' || n || '@open.example',
    'en', {uuid}, 'handed', :at, :at, :at, :at from numbers""",
    """insert into third_party_invitations
    (id, address, room_id, sender, token, public_key, sealed_key, signing_key_id, facts, for_guest,
    created_at, expires_at, delivery, state, ended_at, awaits)
    {numbers} select {uuid}, 'p' || n || '@open.example', '!r:agents.example', '@ana:agents.example',
    't' || n, 'k' || n, '', '', '{{}}', true, :at, :later,
    case when n % 100 > 50 then 'delivered' else 'waiting' end,
    case when n % 100 > 50 then 'delivered' when n % 100 > 0 then 'sent' else 'revoked' end,
    case when n % 100 = 0 then :at end, case when n % 100 = 0 then 'report' end from numbers""",
    """insert into journal
    (number, at, actor, origin, action, subject, facts, reason, previous_hash, hash)
    {numbers} select n + 1000, :at, 'olga', 'here', 'mail.retry', '', '{{}}', '', '', '' from numbers""",
    """insert into accounts
    (id, address, user_id, homeserver, account_class, display_name, language, state, creation_mark,
    created_at) {numbers} select {uuid}, 'p' || n || '@open.example', '@p' || n || '\\:agents.example',
    'agents.example', 'agent', '', 'en', 'ready', '', :at from numbers""",
    """insert into associations (medium, address, user_id, bound_at)
    {numbers} select 'email', 'p' || n || '@open.example', '@p' || n || '\\:agents.example', :at
    from numbers""",
    """insert into verification_requests
    (id, address, browser, ordinal, language, state, created_at, expires_at)
    {numbers} select {uuid}, 'p' || n || '@open.example', 'b' || n, 1, 'en', 'expired', :at, :at
    from numbers""",
)
NUMBERS: Final = """with recursive numbers(n) as
    (select cast(:first as int) union all select n + 1 from numbers where n < :last)"""


def fill(
    session: Session,
    now: datetime,
    rows: int,
    *,
    first: int = 0,
    tables: Collection[str] = GROWING,
) -> None:
    """So many rows in each of these tables, all of which are over, but for live invitations.

    `first`: the number of the first of them, so that more can be added later.
    """
    wanted = [each for each in OVER if each.split()[2] in tables]
    uuid = UUID[session.get_bind().dialect.name]
    part = rows // DAYS
    for day in range(DAYS):
        at = now - timedelta(days=day, minutes=5)
        begin = first + day * part
        facts = {"at": at, "first": begin, "last": begin + part - 1}
        for statement in wanted:
            times = [bindparam("at", type_=UtcDateTime)]
            if ":later" in statement:
                times.append(bindparam("later", at + timedelta(days=90), type_=UtcDateTime))
            written = text(statement.format(numbers=NUMBERS, uuid=uuid))
            session.execute(written.bindparams(*times), facts)


def analyze(session: Session) -> None:
    """Let the database count what is there, as it does by itself within minutes."""
    session.execute(text("analyze"))
