"""Every screen of the console stays fast when tables are long: few queries, no scans, no counts without a bound."""

import re

from sqlalchemy import select, text

from identity.invitations.models import ThirdPartyInvitation
from identity.operators.roles import Role
from tests.worlds.console import *
from tests.worlds.console_screens import *
from tests.worlds.domain_askers import *
from tests.worlds.many_rows import GROWING, fill
from tests.worlds.statements import MOST_QUERIES, OF_THE_SESSION, statements

FORBIDDEN = {
    "OFFSET": re.compile(r"\bOFFSET\s+(?!0\b)", re.IGNORECASE),
    "LIKE '%…": re.compile(r"\bLIKE\s+\(?\s*'%", re.IGNORECASE),
    "a count of a whole table": re.compile(
        rf"count\(\*\)(?:(?!\bFROM\b).)*\bFROM ({'|'.join(GROWING)})\b", re.IGNORECASE | re.DOTALL
    ),
}
SCANS = re.compile(
    rf"\bSCAN ({'|'.join(GROWING)})\b(?! USING (COVERING )?INDEX)|Seq Scan on ({'|'.join(GROWING)})\b"
)
FILTERS = {
    "mails": (
        *("state=handed", "template=verify", "domain=open.example", "outcome=defer"),
        "state=waiting&domain=open.example",
    ),
    "invitations": (
        *("state=sent", "state=expired", "delivery=dead", "domain=open.example", "held=yes"),
        *("to=agents.example", "to=agents.example&delivery=dead"),
        *("homeserver=agents.example", "room=!r:agents.example", "like={invitation_id}"),
    ),
    "requests": ("sort=newest", "sort=wanted", "sort=fewest", "state=decided"),
    "journal": ("action=mail", "actor=olga", "since=2027-02-20", "door=api"),
}


def filtered(services, paths):
    """The paths, those of lists once more with each filter."""
    with services.database.reading() as session:
        known = {"invitation_id": session.scalar(select(ThirdPartyInvitation.id).limit(1))}
    return [
        *paths.values(),
        *(f"{paths[name]}?{each.format(**known)}" for name in FILTERS for each in FILTERS[name]),
    ]


def test_every_screen_reads_by_index_and_asks_few_questions(
    services, screens, sign_in, make_operator
):
    ada = make_operator("Ada", Role.ADMIN, Role.APPROVER, Role.SUPPORT)
    audrey = make_operator("Audrey", Role.AUDITOR)
    paths = screens(ada, rows=4000)
    applied = paths["roll_back_page"].removesuffix("/roll-back")
    seen = [(ada, path) for path in (*filtered(services, paths), applied)]
    seen += [(audrey, paths[name]) for name in ("home", "journal")]
    browsers = {each.id: sign_in(each) for each in (ada, audrey)}
    asked, slow = 0, []
    for operator, path in seen:
        browser = browsers[operator.id]
        services.rules.current()  # in memory, read anew now and then
        with statements(services.database.engine) as found:
            answer = browser.client.get(path, headers=browser.headers, follow_redirects=True)
        assert answer.status_code == 200, path
        reads = [each for each in found if each[0].lstrip().upper().startswith(("SELECT", "WITH"))]
        own = [each for each in reads if OF_THE_SESSION not in each[0]]
        asked += len(own)
        if len(own) > MOST_QUERIES:
            slow.append(f"{path}: {len(own)} queries")
        slow += [f"{path}: {fault}" for each in own for fault in faults(services, each)]
    assert not slow, "\n".join(slow)
    assert asked > 50


def faults(services, asked):
    """What makes this statement slow in a long table."""
    statement, values = asked
    engine = services.database.engine
    is_sqlite = engine.dialect.name == "sqlite"
    for name, form in FORBIDDEN.items():
        # SQLAlchemy writes OFFSET 0 for SQLite beside each LIMIT.
        if form.search(statement) and not (is_sqlite and name == "OFFSET" and "?" in statement):
            yield f"{name} in {statement}"
    given = values.values() if isinstance(values, dict) else values
    if " LIKE " in statement and any(str(value).startswith("%") for value in given):
        yield f"LIKE '%… in {statement}"
    with engine.connect() as connection:
        if is_sqlite:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
        else:  # a short table is read whole unless that is forbidden
            connection.exec_driver_sql("SET enable_seqscan = off")
            plan = connection.exec_driver_sql(f"EXPLAIN {statement}", values).all()
            connection.exec_driver_sql("RESET enable_seqscan")
    by_key = "ORDER BY journal.number DESC" in statement  # a walk along its key, as SQLite calls it
    for step in plan:
        if by_key and step[-1] == "SCAN journal":
            continue
        if SCANS.search(str(step[-1])):
            yield f"{step[-1]} in {statement}"


def test_a_page_by_key_costs_the_same_at_the_end(services, clock, sign_in, ada):
    with services.database.transaction() as session:
        fill(session, clock(), 4000)
    browser = sign_in(ada)
    seen, path = 0, "/admin/mails"
    while path:
        page = browser.client.get(path, headers=browser.headers).text
        seen += page.count('<tr role="row">') - 1
        path = re.search(r'rel="next" href="([^"]+)"', page)
        path = path and path[1].replace("&amp;", "&")
    with services.database.reading() as session:
        assert seen == session.scalar(text("select count(*) from mails")) == 4000


def test_the_test_finds_what_it_forbids(services):
    is_sqlite = services.database.engine.dialect.name == "sqlite"
    bad = (
        "SELECT id FROM mails LIMIT 5 OFFSET 10",
        f"SELECT id FROM mails WHERE address LIKE '{'%' if is_sqlite else '%%'}x'",
        "SELECT count(*) FROM mails",
        "SELECT id FROM mails WHERE last_reply = 'x'",
    )
    assert [bool(list(faults(services, (statement, ())))) for statement in bad] == [True] * 4
    good = "SELECT count(*) AS n FROM (SELECT 1 FROM mails WHERE state = 'x' LIMIT 11) AS few"
    assert list(faults(services, (good, ()))) == []
