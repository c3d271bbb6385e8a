"""A database of before: open requests stay usable, and what was used up without a proof looks open again."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from identity import migrations
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.core.database import Database, make_engine
from identity.invitations.models import ThirdPartyInvitation
from identity.migrations import upgrading
from identity.sign_up import visibility
from identity.sign_up.models import VerificationRequest
from identity.sign_up.visibility import Step
from identity.threepids.validation_sessions import ValidationSession

NOW = datetime(2027, 3, 1, 9, 0, tzinfo=UTC)
TIME = sa.DateTime(timezone=True)


def row(table, **values):
    """Insert into a table as it was."""
    columns = [
        sa.column(
            name, TIME if isinstance(value, datetime) else sa.Uuid() if name == "id" else None
        )
        for name, value in values.items()
    ]
    return sa.insert(sa.table(table, *columns)).values(**values)


def request(ordinal, state, confirmed_at=None):
    return row(
        "verification_requests",
        id=uuid.UUID(int=ordinal),
        address="camille.durand@ac-rouen.example",
        browser="ana",
        ordinal=ordinal,
        language="fr",
        reality="verify",
        state=state,
        created_at=NOW,
        expires_at=NOW + timedelta(days=1),
        asked_at=NOW,
        confirmed_at=confirmed_at,
        code_generation=1,
        code_made_at=NOW,
        tries_left=5,
        wrong_tries=0,
    )


@pytest.fixture
def upgraded(empty_database_url):
    upgrading.upgrade(empty_database_url, "0008")
    engine = make_engine(empty_database_url)
    with engine.begin() as connection:
        for asked in ((1, "open"), (2, "used"), (3, "used", NOW), (4, "confirmed", NOW)):
            connection.execute(request(*asked))
        connection.execute(
            row(
                "validation_sessions",
                id=uuid.UUID(int=1),
                address="a@x.example",
                secret_hash="",
                sealed_secret="",
                user_id="@a:x.example",
                device="",
                language="fr",
                send_attempt=1,
                created_at=NOW,
                asked_at=NOW,
                code_generation=1,
                tries_left=5,
                wrong_tries=0,
            )
        )
        connection.execute(
            row(
                "list_sign_ins",
                id=uuid.UUID(int=1),
                address="a@x.example",
                user_id="@a:x.example",
                created_at=NOW,
                expires_at=NOW + timedelta(minutes=15),
                tries_left=5,
            )
        )
    engine.dispose()
    upgrading.upgrade(empty_database_url)
    database = Database(make_engine(empty_database_url))
    yield database
    database.engine.dispose()


@pytest.mark.slow
def test_requests_of_before_stand_where_their_browser_may_see_them(upgraded):
    with upgraded.reading() as session:
        rows = session.query(VerificationRequest).order_by(VerificationRequest.ordinal).all()
        steps = [visibility.step_of(each, NOW) for each in rows]
        assert steps == [Step.OPEN, Step.OPEN, Step.USED, Step.CONFIRMED]
        assert {each.mail_at for each in rows} == {NOW}


@pytest.mark.slow
def test_sessions_and_sign_ins_of_before_are_kept(upgraded):
    with upgraded.reading() as session:
        assert session.query(ValidationSession).one().send_attempt == 1
        asked = session.query(BulkInviteSignIn).one()
        assert (asked.mail_at, asked.user_id) == (NOW, None)
        assert session.query(ThirdPartyInvitation).count() == 0


@pytest.mark.slow
def test_the_way_back_is_open(empty_database_url):
    upgrading.upgrade(empty_database_url)
    command.downgrade(upgrading.alembic_config(empty_database_url), "0008")
    upgrading.upgrade(empty_database_url)
    assert migrations.current_revision(empty_database_url) == migrations.newest_revision()
