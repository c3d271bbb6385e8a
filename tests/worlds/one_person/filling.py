"""One person in all tables, by the services that people reach; rows by hand where those need a network."""

import uuid

from sqlalchemy import select

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.accounts import agents, feed_state, room_members, successions, verified_addresses
from identity.core.findings import State, found
from identity.core.journal import Actor
from identity.core.outbox import Job, JobKind
from identity.health import finding_models
from identity.homeservers import models as homeservers
from identity.mail import models as mails, results, tries
from identity.mail.models import MailState
from identity.mail.outcomes import Outcome
from identity.mail.quota import Template
from identity.operators import (
    factors,
    kept_forms,
    models as operators,
    service as operating,
    sessions,
    sign_in,
)
from identity.operators.passkeys.models import OperatorPasskey
from identity.operators.roles import ALL, Role
from identity.operators.service import Standing
from identity.people import files
from identity.people.erasure import ErasedPerson
from identity.rule_changes import service as rule_changes
from identity.synapse_api import report_models
from identity.threepids import associations
from tests.worlds.services import EDUCATION

from .domain_asked import ask_for_a_domain
from .invited import be_blocked, be_invited_and_invite, hand_in_lists
from .names import CAMILLE, HERS, OLGA, ROOM, TAGGED, ZOE, ZOES
from .signed_up import make_account, sign_up, use_matrix_client


def fill_every_story(services, *, address=CAMILLE, tagged=TAGGED, user_id=HERS) -> None:
    """One person in all tables, by the services that people reach; rows by hand where those need a network."""
    with services.database.transaction() as session:
        ask_for_a_domain(session, services, address, tagged)  # before it is open
        _open_her_domain(session, services)
        sign_up(session, services, address, tagged)
        make_account(session, services, address, user_id)
        use_matrix_client(session, services, address, user_id)
        be_invited_and_invite(session, services, address, tagged, user_id)
        hand_in_lists(session, services, address, user_id)
        _mails(session, services, address, tagged)
        _reports(session, services, user_id)
        be_blocked(session, services, user_id)
        _was_an_operator(session, services, address)
        _be_looked_at(session, services, address)
        _be_named_by_a_check(session, services, address)


def _was_an_operator(session, services, address):
    """Somebody who was disabled since: who may come in is not erased."""
    now = services.now()
    number = operators.count(session) + 1
    made = operating.add(
        session,
        now,
        OLGA,
        mail=address.canonical,
        name=f"Operator {number}",
        language="fr",
        standing=Standing(frozenset({Role.VIEWER})),
    )
    factors.begin_enrolment(session, services.vault, now, made.id)
    factors.new_recovery_codes(session, now, made.id)
    key = {"credential_id": f"credential {number}", "public_key": "a public key", "sign_count": 0}
    session.add(OperatorPasskey(operator_id=made.id, name="her laptop", made_at=now, **key))
    operating.invite(session, now, made)
    token = sessions.open_session(
        session, now, made, device="Firefox", network="192.0.2.0/24", proved=True
    )
    kept_forms.keep(session, services.vault, now, token, kept_forms.Form("/admin/me", ()))
    sign_in.request_code(session, now, mail=address.canonical, language="fr", device="Firefox")
    operating.disable(session, now, OLGA, made.id)


def _open_her_domain(session, services):
    now = services.now()
    rule = Rule(
        RuleKind.DOMAIN, CAMILLE.ascii_domain, AccountClass.AGENT, EDUCATION, requires_invite=False
    )
    difference = rule_changes.compare(session, put=[rule])
    rule_changes.publish(session, now, difference, OLGA)
    homeservers.find(session, EDUCATION).class_source = "by_person"
    session.flush()
    associations.bind(session, now, address=ZOES, user_id=ZOE)
    verified_addresses.add(session, now, user_id=ZOE, address=ZOES)


def _mails(session, services, address, tagged):
    now = services.now()
    for each in (address, tagged):
        mail = mails.order(
            session,
            now,
            template=Template.EXISTS,
            address=each.canonical,
            language="fr",
            subject_id=uuid.uuid4(),
        )
        mail.state, mail.last_reply = MailState.REFUSED, f"550 no {each.canonical}"
        session.flush()
        tries.begin(session, mail.id, 1, now)
        said = f"451 {each.canonical} is greylisted"
        tries.end(session, mail.id, 1, now, outcome=Outcome.DEFER, reply=said)
    results._strike(session, services.hashes, now, address.canonical)
    job = session.scalars(select(Job).where(Job.kind == JobKind.MAIL)).first()
    job.last_error = f"refused: 550 {address.canonical}"


def _be_named_by_a_check(session, services, address):
    reply = f"550 no such user: {address}"
    finding = found("relay", State.FAILED, "relay_wrong", reply=reply)
    finding_models.replace(session, services.now(), [finding])


def _be_looked_at(session, services, address):
    now = services.now()
    who = Actor("Olga", "console", "ticket 4412")
    seen_by = {"operator_id": operating.make_embedded(session, now).id, "scope": ALL}
    rules = services.rules.current()
    made = files.open_file(*(session, services.hashes, rules, now, who), address=address, **seen_by)
    opened = files.find(session, rules, now, made.id, **seen_by)
    stays = [f"the account of {address.canonical}: it has another mailbox"]
    files.keep_look(session, now, opened, ErasedPerson(opened.person, stays=stays))


def _reports(session, services, user_id):
    now = services.now()
    room_members.record_join(session, now, room_id=ROOM, user_id=user_id)
    successions.record_succession(
        session, now, predecessors=["@before:x.example", user_id], successor=user_id
    )
    successions.record_succession(
        session, now, predecessors=[user_id], successor="@after:x.example"
    )
    report_models.add_refusals(
        session, user_id=user_id, reason="guest_cannot_invite", count=2, last_at=now
    )
    feed_state.lock_state(session)
    agents.publish(session, [user_id], number=1, is_agent=True)
