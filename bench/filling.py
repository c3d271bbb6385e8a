"""Fills databases in SQL: associations with their hashes, accounts with tokens, and mails."""

from sqlalchemy import text

from identity.core.database import Database

RULES = 33_000
MAILS_EVERY = 10  # associations: one mail that left and one that waits

# Not of Guichet's making: the older checkout is asked for the same hashes.
PEPPER = """
insert into lookup_peppers (number, pepper, created_at, in_force_at)
values (1, 'a-pepper-for-the-bench', now(), now())
"""
TOKENS = """
insert into identity_tokens (token_hash, user_id, created_at, last_used_at)
select encode(sha256(convert_to('token-' || n, 'UTF8')), 'hex'),
       '@p' || n || '\\:agents.example', now(), now()
from generate_series(0, :accounts - 1) as n
"""
ASSOCIATIONS = """
insert into associations (medium, address, user_id, bound_at)
select 'email', 'p' || n || '@d' || n % :rules || '.example', '@p' || n || '\\:agents.example', now()
from generate_series(0, :size - 1) as n
order by 2
"""
HASHES = """
insert into lookup_hashes (hash, pepper_number, medium, address)
select rtrim(translate(encode(sha256(convert_to(address || ' email ' || pepper, 'UTF8')),
       'base64'), '+/', '-_'), '='), number, medium, address
from associations, lookup_peppers
order by 1
"""
# Mails of the day before, and of ten minutes ago: these wait behind those that are measured.
OTHERS = """
with made as (
    insert into mails (id, template, address, mailbox, language, subject_id, state, created_at,
                       due_at, handed_at, ended_at)
    select gen_random_uuid(), 'client_verify', 'o' || n || '@old.example', 'o' || n || '@old.example',
           'fr', gen_random_uuid(), case when n % 2 = 0 then 'handed' else 'waiting' end, at, at,
           case when n % 2 = 0 then at end, case when n % 2 = 0 then at end
    from generate_series(1, 2 * :number) n,
         lateral (select now() - (case when n % 2 = 0 then 1440 else 10 end || ' minutes')::interval
                  + (n || ' ms')::interval as at) moment
    returning id, state, due_at
), jobs as (
    insert into outbox (id, errand, lane, subject_id, created_at, due_at, attempts, uncertain, done_at)
    select gen_random_uuid(), 'mail', 'urgent', id, due_at, due_at,
           case when state = 'handed' then 1 else 0 end, 0, case when state = 'handed' then due_at end
    from made
)
insert into mail_tries (mail_id, attempt, began_at, ended_at, outcome, reply)
select id, 1, due_at, due_at, 'handed', '250 2.0.0 queued' from made where state = 'handed'
"""
# Sorted in memory, and no row is looked up that is known to be there: half a minute less.
QUICKLY = "set local work_mem = '512MB'; set local session_replication_role = replica"


def accounts_of(size: int) -> int:
    """How many accounts have a token beside so many associations."""
    return size * 4 // 10


def fill(database: Database, size: int) -> None:
    """So many associations with their hashes, four accounts for ten of them, and mails."""
    with database.transaction() as session:
        session.execute(text(QUICKLY))
        session.execute(text(TOKENS), {"accounts": accounts_of(size)})
        session.execute(text(OTHERS), {"number": size // MAILS_EVERY})
        session.execute(text(ASSOCIATIONS), {"size": size, "rules": RULES})
        session.execute(text("analyze associations"))
        session.execute(text(HASHES))
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
        connection.execute(text("checkpoint"))
