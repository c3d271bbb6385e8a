"""Whoever changes rows by a condition is told how many there were, on either database."""

from datetime import UTC, datetime

from identity.core import rows
from identity.invitations import mute_models as mutes
from identity.invitations.mute_models import Mute

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def test_rows_are_counted_changed_and_deleted_by_their_conditions(database):
    with database.transaction() as session:
        for mailbox in ("a", "b", "c"):
            mutes.add(session, NOW, mailbox_hash=mailbox, sender="@b:c")
        some = Mute.mailbox_hash.in_(["a", "b"])
        assert rows.count(session, some, Mute.sender == "@b:c") == 2
        assert rows.is_any(session, Mute.sender == "@b:c")
        assert not rows.is_any(session, some, Mute.sender == "@d:e")
        assert rows.update(session, Mute, some, Mute.sender == "@b:c", sender="@d:e") == 2
        assert rows.update(session, Mute, some, Mute.sender == "@b:c", sender="@d:e") == 0
        assert rows.delete(session, Mute, some) == 2
        assert rows.delete(session, Mute, some) == 0
        assert rows.count(session, Mute.sender == "@b:c") == 1
