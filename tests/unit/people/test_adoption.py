"""An account that Guichet never heard of comes into its books, unless it contradicts them."""

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from identity.accounts import models as accounts, verified_addresses
from identity.accounts.models import Account
from identity.binding import service as binding
from identity.core import journal
from identity.core.outbox import Job, JobKind
from identity.invitations import room_agreement, store_invite
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.people import adoption
from identity.people.adoption import Contradiction, FoundAccount
from identity.problems import WrongServer
from identity.threepids import associations
from tests.worlds.one_person.names import OLGA
from tests.worlds.services import EDUCATION, GUESTS

ANA, HERS = f"@ana:{EDUCATION}", EmailAddress.parse("ana@ac-rouen.example")
GIL, HIS = f"@gil:{GUESTS}", EmailAddress.parse("gil@association.example")
ZOE = f"@zoe:{EDUCATION}"


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # both databases are tried in test_erasure.py


@pytest.fixture
def adopt(services):
    def adopt(address=HERS, user_id=ANA):
        with services.database.transaction() as session:
            return adoption.adopt(
                session,
                services.hashes,
                services.rules.current(),
                services.now(),
                address=address,
                found=FoundAccount(user_id, "Ana", "fr"),
                who=OLGA,
            )

    return adopt


def test_an_agent_is_taken_in_once(services, adopt):
    done = adopt()
    assert (done.account_class, done.is_new) == ("agent", True)
    with services.database.reading() as session:
        account = accounts.find_by_address(session, HERS.canonical)
        assert (account.user_id, account.state, account.display_name) == (ANA, "ready", "Ana")
        assert account.access_ends_at is None
        assert associations.find_by_address(session, HERS.canonical).user_id == ANA
        assert verified_addresses.addresses_of(session, ANA) == [HERS.canonical]
        row = journal.find_recent(session, limit=1, action="person.adopt")[0]
    assert row.subject.startswith("person:")
    assert "ana" not in row.facts
    assert not adopt().is_new
    with services.database.reading() as session:
        assert len(journal.find_recent(session, action="person.adopt")) == 1


def test_a_guest_gets_a_sponsor_an_end_and_what_waited(services, adopt):
    with services.database.transaction() as session:
        row = store_invite.store(
            session,
            services.rules.current(),
            services.now(),
            invited=InviteRequest(HIS.canonical, HIS, "!room:x", ZOE),
            key=EphemeralKey("public", "sealed"),
            signing_key_id="ed25519:0",
        )
        room_agreement.confirm(session, services.now(), row, services.hashes)
    assert adopt(HIS, GIL).account_class == "guest"
    with services.database.reading() as session:
        account = accounts.find_by_user_id(session, GIL)
        assert account.sponsor == ZOE
        assert account.access_ends_at > services.now()
        jobs = session.scalars(select(Job).where(Job.kind == JobKind.ONBIND)).all()
        assert [job.subject_id for job in jobs] == [row.id]


def test_the_rules_say_where_an_address_belongs(adopt):
    with pytest.raises(WrongServer):
        adopt(HERS, f"@ana:{GUESTS}")
    with pytest.raises(WrongServer):
        adopt(HIS, f"@gil:{EDUCATION}")


@pytest.mark.parametrize("known_by", ["account", "other address", "association", "verified"])
def test_what_contradicts_the_books_is_refused(services, adopt, known_by):
    other = f"@other:{EDUCATION}"
    with services.database.transaction() as session:
        now = services.now()
        if known_by in {"account", "other address"}:
            is_hers = known_by == "account"
            session.add(
                Account(
                    address=HERS.canonical if is_hers else "else@ac-rouen.example",
                    user_id=other if is_hers else ANA,
                    homeserver=EDUCATION,
                    account_class="agent",
                    display_name="",
                    language="fr",
                    state="creating",
                    creation_mark="mark",
                    created_at=now,
                )
            )
        elif known_by == "association":
            associations.bind(session, now, address=HERS.canonical, user_id=other)
        else:
            binding.record_verified(session, now, address=HERS.canonical, user_id=other)
            associations.unbind(session, address=HERS.canonical, user_id=other)
    with pytest.raises(Contradiction, match="nothing was changed") as caught:
        adopt()
    assert "@ac-rouen.example" not in str(caught.value)
    with services.database.reading() as session:
        assert verified_addresses.addresses_of(session, ANA) == []


def test_an_account_that_was_begun_here_is_finished(services, adopt):
    with services.database.transaction() as session:
        session.add(
            Account(
                address=HERS.canonical,
                user_id=ANA,
                homeserver=EDUCATION,
                account_class="agent",
                display_name="Ana",
                language="fr",
                state="creating",
                creation_mark="mark",
                created_at=services.now(),
            )
        )
    assert adopt().is_new
    with services.database.reading() as session:
        assert accounts.find_by_user_id(session, ANA).state == "ready"
