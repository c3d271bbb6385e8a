"""Who ends a mail takes the lock of its mailbox before any row: else two would wait for one another."""

import pytest
from sqlalchemy import event

from identity.mail import models as mails, results as mail_results
from identity.mail.outcomes import Outcome
from identity.mail_kinds import kind_of
from tests.worlds.inviting import GIL, Inviting


@pytest.mark.slow
@pytest.mark.parametrize("end", ["not tried", "refused", "dropped"])
def test_the_mailbox_is_locked_before_its_rows(services, rules, clock, hashes, end):
    Inviting(services.database, rules, clock).store()
    said = []
    with services.database.transaction() as session:
        (mail,) = mails.find_by_address(session, GIL)

        @event.listens_for(session.get_bind(), "before_cursor_execute")
        def remember(*call):
            said.append(call[2])

        match end:
            case "not tried":
                mail_results.record_not_tried(session, clock(), mail, kind=kind_of(mail))
            case "refused":
                facts = {"outcome": Outcome.NO_MAILBOX, "reply": "550"}
                mail_results.record_refused(
                    session, hashes, clock(), mail, kind=kind_of(mail), **facts
                )
            case "dropped":
                mail_results.record_dropped(session, clock(), mail, kind=kind_of(mail))
    written = [text for text in said if text.startswith(("UPDATE", "INSERT")) or "lock" in text]
    if session.get_bind().dialect.name == "postgresql":
        assert "pg_advisory_xact_lock" in written[0]
    assert any(text.startswith("UPDATE mails") for text in written)
