"""People of a list who may have been invited since are not invited again, and its report goes once."""

from sqlalchemy import select

from identity.bulk_invites.models import BulkInvite, BulkInviteRow
from identity.core.http_client import Away
from identity.core.outbox import Lane
from tests.worlds.backups import *
from tests.worlds.bulk_inviters import *
from tests.worlds.long_lists import people, small_batches

__all__ = ["small_batches"]
PEOPLE = "Adresse\neloise@ac-rouen.example\nlea@asso.example\nlou@asso.example\n"


@pytest.fixture
def backups(service) -> Backups:
    return Backups(service)


@pytest.fixture
def confirmed(browser, service, postbox):
    """A list is being sent; nothing of it has left."""
    sign_in(browser, service, postbox)
    where = hand_in(browser, PEOPLE)
    post(browser, where, send="1")
    return where


def restore(backups, clock):
    ended = backups.bring_back(clock)
    clock.advance(minutes=5)
    backups.work()
    return ended


def steps(service) -> list[tuple[str, str | None]]:
    with service.database.reading() as session:
        found = session.scalars(select(BulkInviteRow).order_by(BulkInviteRow.place))
        return [(row.step, row.why) for row in found]


def state(service) -> str:
    with service.database.reading() as session:
        return session.scalars(select(BulkInvite.state)).one()


def templates(postbox) -> list[str]:
    return sorted(each["X-Guichet-Template"].partition(";")[0] for each in postbox.sent)


def test_a_list_that_waited_is_not_sent_again_and_reported_once(
    service, backups, confirmed, postbox, desk, browser, clock
):
    backups.take()
    run(service, Lane.BULK, Lane.NORMAL)
    backups.work()
    before = templates(postbox)
    assert before.count("invite") == 3
    assert before.count("bulk_report") == 1
    assert len(desk.placed) == 3
    assert restore(backups, clock).list_rows == 3
    assert templates(postbox) == before
    assert len(desk.placed) == 3
    assert steps(service) == [("failed", "restored")] * 3
    assert state(service) == "done"


def test_one_whose_invitation_was_stored_is_placed_with_the_same_token_and_not_mailed_again(
    service, backups, confirmed, postbox, desk, clock, monkeypatch
):
    def be_silent(**_):
        raise Away("silent")

    with monkeypatch.context() as patch:
        patch.setattr(desk, "invite", be_silent)
        run(service, Lane.BULK)
    backups.take()
    clock.advance(minutes=1)
    run(service, Lane.BULK, Lane.NORMAL)
    backups.work()
    placed, before = set(desk.placed), templates(postbox)
    assert (len(placed), before.count("invite"), before.count("bulk_report")) == (3, 3, 1)
    assert restore(backups, clock).list_rows == 0
    assert len(desk.placed) == 6
    assert set(desk.placed) == placed
    assert templates(postbox) == before
    assert steps(service) == [("invited", None)] * 3


def test_the_page_says_why_somebody_was_not_invited(
    service, backups, confirmed, postbox, browser, clock
):
    backups.take()
    restore(backups, clock)
    sign_in(browser, service, postbox)
    page = browser.get(confirmed).text
    assert "le service a été restauré" in page


def test_a_list_of_after_the_restore_is_sent_and_reported_as_ever(
    service, backups, postbox, desk, browser, clock
):
    backups.take()
    restore(backups, clock)
    clock.advance(minutes=1)
    sign_in(browser, service, postbox)
    post(browser, hand_in(browser, PEOPLE), send="1")
    run(service, Lane.BULK, Lane.NORMAL)
    backups.work()
    assert templates(postbox).count("bulk_report") == 1
    assert len(desk.placed) == 3


@pytest.mark.usefixtures("small_batches")
def test_of_a_long_list_that_was_being_ordered_nobody_is_invited_twice(
    browser, service, backups, postbox, desk, clock
):
    sign_in(browser, service, postbox)
    where = hand_in(browser, people(30))
    run(service, Lane.ACCOUNTS)
    post(browser, where, send="1")
    backups.take()
    run(service, Lane.ACCOUNTS, Lane.BULK)
    assert len(desk.placed) == 27
    assert restore(backups, clock).list_rows == 27
    run(service, Lane.ACCOUNTS, Lane.BULK)
    assert len(desk.placed) == 27
    assert (state(service), steps(service).count(("failed", "restored"))) == ("done", 27)
