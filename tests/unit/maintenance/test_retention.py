"""What is old is deleted, and nothing that somebody still waits for."""

from datetime import timedelta

from domain_rules.addresses import EmailAddress
from identity.bulk_invites import sign_in as bulk_invite_sign_in
from identity.bulk_invites.sign_in_models import BulkInviteSignIn
from identity.mail.models import Mail
from identity.sign_up.models import VerificationRequest
from tests.worlds.cleaning import cleaned


def test_what_is_old_is_deleted_and_what_is_young_stays(services, request_, clock):
    def clean_up():
        with services.database.transaction() as session:
            return cleaned(session, clock())

    assert set(clean_up().values()) == {0}
    clock.advance(days=8)
    assert clean_up()["unconfirmed requests"] == 1
    clock.advance(days=23)
    assert clean_up()["mails"] == 1
    with services.database.reading() as session:
        assert session.query(Mail).count() == 0


def test_who_waits_for_a_mail_for_more_than_a_week_is_not_forgotten_meanwhile(
    services, request_, clock
):
    with services.database.transaction() as session:
        row = session.get_one(VerificationRequest, request_.id)
        row.expires_at = clock() + timedelta(days=40)
        mail = session.query(Mail).one()
        mail.due_at = clock() + timedelta(days=39)
        asked = bulk_invite_sign_in.request_code(
            session, clock(), address=EmailAddress.parse("zoe@ac-rouen.example"), language="fr"
        )
        asked.expires_at = clock() + timedelta(days=40)
    clock.advance(days=39)
    with services.database.transaction() as session:
        cleaned(session, clock())
    with services.database.reading() as session:
        assert session.get(VerificationRequest, request_.id)
        assert session.get(BulkInviteSignIn, asked.id)
        assert session.get(Mail, mail.id)
