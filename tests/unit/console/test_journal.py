"""The journal on its screen: filtered, verified, exported."""

import re

from identity.console.pages.journal import _guarded
from identity.core import journal, journal_checks, outbox
from identity.core.outbox import JobKind
from identity.health import jobs as health, looking
from identity.operators.roles import Role
from tests.worlds.console import *
from tests.worlds.visitors import words


def test_the_journal_is_filtered_verified_and_exported(
    sign_in, make_operator, acts, services, clock
):
    audit = make_operator("Audrey", Role.AUDITOR)
    for n in range(60):
        acts(
            lambda session, now, who, n: journal.write(
                session, now, who, action=f"mail.act{n % 2}", subject="=cmd", facts={"n": n}
            ),
            n,
        )
    browser = sign_in(audit)
    page = browser.get("/admin/journal?action=mail")
    assert page.text.count('<tr role="row">') == 51  # with the heads
    older = re.search(r'rel="next" href="([^"]+)"', page.text)[1].replace("&amp;", "&")
    assert browser.get(older).text.count('<tr role="row">') == 11
    assert "Nothing like this." in words(browser.get("/admin/journal?until=2001-01-01"))
    browser.get("/admin/journal")
    browser.post("/admin/journal/verify")
    with services.database.reading() as session:
        job = outbox.find_by_subject(session, looking.LOOK, JobKind.JOURNAL_CHECK)
    health.carry_out_journal_check(services, job)
    assert "Chain verified" in words(browser.get("/admin/journal"))
    exported = browser.send("/admin/journal/export", action="mail.act1")
    assert len(exported.json) == 30
    browser.get("/admin/journal")
    lines = browser.send(
        "/admin/journal/export", action="mail.act1", format="csv"
    ).text.splitlines()
    assert len(lines) == 31
    assert ",'=cmd," in lines[1]
    assert [_guarded(each) for each in ("\t=cmd", "\r=cmd", "a=b", "-1")] == [
        *("'\t=cmd", "'\r=cmd", "a=b", "'-1")
    ]
    with services.database.transaction() as session:
        session.get(journal.JournalEntry, 5).reason = "changed"
    health.carry_out_journal_check(services, job)
    with services.database.reading() as session:
        assert journal_checks.find(session).faulty_row == 5
    assert "row 5 is not as it was written" in words(browser.get("/admin/journal"))
