"""Fills a database with a large federation, in SQL: who has which account, and a month of mails."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core.clock import utc_now
from identity.core.database import Database
from identity.core.journal import Actor
from identity.homeservers import credentials
from identity.homeservers.models import Homeserver
from identity.rule_changes import service
from identity.threepids import pepper_rotation

RULES, HOMESERVERS = 33_000, 200  # a domain's homeserver follows from its number
MIXED_EVERY = 10  # of so many homeservers one has both agents and guests
PART = 250_000
ME = Actor("bench", "here", "a measurement")

# Of a person: address p7@d7.example, account @p7:hs7.example, token "token-7".
FOUND = {
    "associations": """insert into associations (medium, address, user_id, bound_at)
        select 'email', {address}, {user_id}, now() from {numbers}""",
    "lookup_hashes": """insert into lookup_hashes (hash, pepper_number, medium, address)
        select rtrim(translate(encode(sha256(convert_to(
        {address} || ' email ' || pepper, 'UTF8')), 'base64'), '+/', '-_'), '='),
        number, 'email', {address} from {numbers}, lookup_peppers""",
}
ACCOUNTS = {
    "accounts": """insert into accounts (id, address, user_id, homeserver, account_class,
        display_name, language, state, creation_mark, created_at, ready_at)
        select gen_random_uuid(), {address}, {user_id}, {homeserver}, 'agent',
        'Camille Durand ' || n, 'fr', 'ready', '', now(), now() from {numbers}""",
    "proved_addresses": """insert into proved_addresses (user_id, address, proved_at)
        select {user_id}, {address}, now() from {numbers}""",
    "identity_tokens": """insert into identity_tokens
        (token_hash, user_id, created_at, last_used_at)
        select encode(sha256(convert_to('token-' || n, 'UTF8')), 'hex'), {user_id}, now(), now()
        from {numbers}""",
    "agents_feed": """insert into agents_feed (user_id, number, is_agent, is_to_be_judged)
        select {user_id}, 1, true, false from {numbers} where n % {mixed} = 0""",
}
# Spread over 31 days, so that a day is over its term. Jobs that are done stay for a week.
MAILS = {
    "mails": """insert into mails (id, template, address, mailbox, language, subject_id, state,
        created_at, due_at, handed_at, ended_at, last_reply, trace_id)
        select {id}, case when n % 3 = 0 then 'invite' else 'verify' end, {address}, {address},
        'fr', {id}, 'handed', {at}, {at}, {at}, {at}, '250 2.0.0 Ok: queued', {id}
        from {numbers}""",
    "outbox": """insert into outbox (id, errand, lane, subject_id, created_at, due_at, attempts,
        uncertain, done_at, trace_id)
        select {id}, 'mail', case when n % 3 = 0 then 'normal' else 'urgent' end, {id}, {at}, {at},
        1, 0, {at}, {id} from {numbers} where n % 31 <= 7""",
    "mail_tries": """insert into mail_tries (mail_id, attempt, began_at, ended_at, outcome, reply)
        select {id}, 1, {at}, {at}, 'handed', '250 2.0.0 Ok: queued' from {numbers}""",
    # A third of the mails invites somebody.
    "third_party_invitations": """insert into third_party_invitations
        (id, address, room_id, sender, token, public_key, sealed_key, signing_key_id, facts,
        for_guest, created_at, expires_at, delivery, state, ended_at)
        select {id}, {address}, '!r' || n || '\\:' || {homeserver}, {user_id}, 't' || n, 'k' || n,
        repeat('s', 120), 'ed25519\\:0', '{{}}', true, {at}, {at} + interval '90 days',
        'waiting', 'sent', null from {numbers} where n % 3 = 0""",
}
WAITING = {
    "outbox": """insert into outbox (id, errand, lane, subject_id, created_at, due_at, attempts,
        uncertain) select {id}, 'mail', 'bulk', {id}, {at}, {at}, 0, 0 from {numbers}""",
}
PIECES = {
    "numbers": "generate_series(cast(:first as int), cast(:last as int)) as n",
    "address": f"'p' || n || '@d' || n % {RULES} || '.example'",
    "homeserver": f"'hs' || n % {HOMESERVERS} || '.example'",
    "user_id": f"'@p' || n || '\\:hs' || n % {HOMESERVERS} || '.example'",
    "id": "md5('guichet' || n)::uuid",
    "at": "now() - (n % 31) * interval '1 day'",
    "mixed": str(MIXED_EVERY),
}


def address_of(number: int) -> str:
    """The address of a person."""
    return f"p{number}@d{number % RULES}.example"


def user_of(number: int) -> str:
    """The user ID of a person."""
    return f"@p{number}:hs{number % HOMESERVERS}.example"


def homeserver_of(number: int) -> str:
    """The name of a homeserver."""
    return f"hs{number}.example"


def begin(database: Database, now: datetime) -> str:
    """The homeservers, the rules and a pepper. Returns the credential of the first homeserver."""
    with database.transaction() as session:
        session.add_all(_homeserver(number) for number in range(HOMESERVERS))
        session.flush()
        service.publish(session, now, service.compare(session, put=_rules()), ME)
        pepper = pepper_rotation.begin(session, now)
        pepper_rotation.finish(session, now, pepper, ME)
        return credentials.issue(session, now, homeserver=homeserver_of(0))


def fill(engine: Engine, statements: Mapping[str, str], first: int, last: int) -> None:
    """The rows of the numbers from `first` to before `last`, table by table.

    Foreign keys are not checked: the rows fit.
    """
    if first >= last:
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("set session_replication_role = replica"))
        for table, statement in statements.items():
            _fill(connection, statement, first, last)
            connection.execute(text(f"vacuum (analyze) {table}"))
        connection.execute(text("reset session_replication_role"))


def _fill(connection: Connection, statement: str, first: int, last: int) -> None:
    written = text(statement.format(**PIECES))
    for begin_at in range(first, last, PART):
        connection.execute(written, {"first": begin_at, "last": min(begin_at + PART, last) - 1})


def _rules() -> Iterable[Rule]:
    return [
        Rule(
            RuleKind.DOMAIN,
            f"d{number}.example",
            AccountClass.AGENT,
            homeserver_of(number % HOMESERVERS),
            requires_invite=False,
        )
        for number in range(RULES)
    ]


def _homeserver(number: int) -> Homeserver:
    return Homeserver(
        name=homeserver_of(number),
        url="http://127.0.0.1:1",
        label=homeserver_of(number),
        connector="none",
        user_id_scheme="address",
        class_source="agent" if number % MIXED_EVERY else "by_person",
        created_at=utc_now(),
    )
