"""Access that an operator has ended stays ended, whoever reports the guest again; two at once end it once."""

import threading
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.binding import service as binding
from identity.core import journal
from identity.core.journal import Actor
from identity.core.outbox import Job, JobKind
from identity.invitations import room_agreement, store_invite
from identity.invitations.store_invite import EphemeralKey, InviteRequest
from identity.people import adoption, guests
from identity.people.adoption import Contradiction, FoundAccount
from identity.problems import AccessEnded
from identity.rule_changes import service as rule_changes
from identity.threepids import associations
from tests.worlds.services import EDUCATION, GUESTS

OLGA = Actor("olga", "here", "the project is over")
GIL, HIS = f"@gil:{GUESTS}", EmailAddress.parse("gil@association.example")
AT_ONCE = 4


@pytest.fixture
def report(services):
    """As the module in the homeserver does, also of all addresses again."""

    def report(policy="rule"):
        with services.database.transaction() as session:
            now = services.now()
            rules = rule_changes.rules_at(session, now, None)
            who = {"address": HIS, "user_id": GIL}
            binding.bind_verified(session, rules, now, policy=policy, **who)

    return report


@pytest.fixture
def end(services):
    def end(guest=GIL):
        with services.database.transaction() as session:
            given = (session, services.hashes, services.rules.current(), services.now())
            return guests.end(*given, guest=guest, who=OLGA)

    return end


@pytest.fixture
def invite(services):
    def invite(room="!room:x"):
        with services.database.transaction() as session:
            row = store_invite.store(
                session,
                services.rules.current(),
                services.now(),
                invited=InviteRequest(HIS.canonical, HIS, room, f"@zoe:{EDUCATION}"),
                key=EphemeralKey(f"public {room}", "sealed"),
                signing_key_id="ed25519:0",
            )
            room_agreement.confirm(session, services.now(), row, services.hashes)

    return invite


def is_bound(services) -> bool:
    with services.database.reading() as session:
        return associations.find_by_address(session, HIS.canonical) is not None


def deliveries(services) -> int:
    with services.database.reading() as session:
        return len(session.scalars(select(Job).where(Job.kind == JobKind.ONBIND)).all())


def test_whoever_reports_them_again_gives_nothing_back(services, report, end, invite, clock):
    report()
    end()
    invite()
    clock.advance(minutes=1)
    for policy in ("rule", "any"):
        with pytest.raises(AccessEnded):
            report(policy)
    assert not is_bound(services)
    assert deliveries(services) == 0
    with services.database.transaction() as session, pytest.raises(Contradiction, match="extend"):
        adoption.adopt(
            session,
            services.hashes,
            services.rules.current(),
            services.now(),
            address=HIS,
            found=FoundAccount(GIL, "Gil", "fr"),
            who=OLGA,
        )
    with services.database.transaction() as session:
        given = (session, services.hashes, services.rules.current(), services.now())
        until = services.now() + timedelta(days=30)
        guests.extend(*given, guest=GIL, who=OLGA, until=until)
    assert is_bound(services)
    assert deliveries(services) == 1


def test_who_has_become_an_agent_is_taken_all_the_same(services, report, end, clock):
    report()
    end()
    rule = Rule(
        RuleKind.DOMAIN, HIS.ascii_domain, AccountClass.AGENT, GUESTS, requires_invite=False
    )
    with services.database.transaction() as session:
        difference = rule_changes.compare(session, put=[rule])
        rule_changes.publish(session, clock(), difference, OLGA)
    clock.advance(minutes=1)
    report()
    assert is_bound(services)


def test_operators_who_end_it_at_once_end_it_once(services, report, end):
    """By the user ID and by the address, of a guest whose account has no row yet."""
    report()
    gate, faults = threading.Barrier(AT_ONCE), []

    def act(guest):
        gate.wait(60)
        try:
            end(guest)
        except Exception as fault:  # noqa: BLE001  whatever it is, it is shown below
            faults.append(fault)

    threads = [
        threading.Thread(target=act, args=(guest,))
        for guest in (GIL, HIS.canonical) * (AT_ONCE // 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert faults == []
    with services.database.reading() as session:
        assert len(journal.find_recent(session, action="guest.end")) == 1
