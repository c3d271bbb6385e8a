"""Of several who write a row one is told that it is theirs, on either database."""

from datetime import UTC, datetime

from identity.invitations import mute_models as mutes
from identity.keys import models as signing_keys

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)


def test_who_finds_the_row_there_is_told_so(database):
    key = {"key_id": "ed25519:a", "public_key": "b", "sealed_seed": "c", "first": True}
    with database.transaction() as session:
        assert mutes.add(session, NOW, mailbox_hash="a", sender="@b:c")
        assert not mutes.add(session, NOW, mailbox_hash="a", sender="@b:c")
        assert signing_keys.add(session, NOW, **key)
        assert signing_keys.add(session, NOW, **key) is None
