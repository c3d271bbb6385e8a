"""Every screen of the console, with something on each, by the name of its route."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain_rules.addresses import EmailAddress
from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.core import outbox
from identity.core.outbox import JobKind, Lane
from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from identity.health import looking
from identity.homeservers import module_models
from identity.invitations.models import ThirdPartyInvitation
from identity.mail.models import Mail
from identity.operators.models import Operator
from identity.people import files
from identity.rule_changes import changes, imports
from tests.worlds.domain_askers import *
from tests.worlds.many_rows import fill

__all__ = ["put_something_on_each", "screens"]

CAMILLE = EmailAddress.parse("camille.durand@ac-rouen.example")
OPENING, OPENED = "asso.example", "club.example"
OLGA = Actor("Olga", "a test", "ticket 4412")
FILE = "kind;pattern;class;homeserver\ndomain;new.example;agent;{0}\ndomain;gmail.com;agent;{0}\n"


@pytest.fixture
def screens(services, clock, office, make_operator):
    """For an operator who may do everything: the path of each screen, by route.

    `rows`: how many the long tables have.
    """

    def screens(operator, rows=400):
        with services.database.transaction() as session:
            fill(session, clock(), rows)
        return put_something_on_each(office, operator, make_operator("Ugo", "viewer"))

    return screens


def put_something_on_each(office: Office, operator: Operator, other: Operator) -> dict[str, str]:
    """Give every screen something to show to `operator`; returns the path of each, by route.

    `other`: an operator whose page is one of them. There is a mail and an invitation already.
    """
    services, now = office.services, office.clock()
    with services.database.transaction() as session:
        freezing.freeze(session, now, OLGA, Frozen.INVITATIONS, until=now + timedelta(hours=4))
        looking.order(session, now, JobKind.HEALTH)
        facts = {"heard_at": now, "version": 2, "reports": "", "actions": "", "skipped": 0}
        module_models.upsert(session, EDUCATION, facts | {"revision": 1, "sent_revision": 1})
        asked = {"lane": Lane.BULK, "due_at": now + timedelta(hours=1), "homeserver": EDUCATION}
        outbox.enqueue(session, JobKind.ROOM_TOOK, uuid.uuid4(), now, **asked)
        sent = imports.send(
            session,
            now,
            OLGA,
            name="rules.csv",
            content=FILE.format(EDUCATION),
            title="Import of rules.csv",
            operator_id=operator.id,
        )
    office.ask()
    office.ask("ana@ac-r0uen.example")
    office.work()
    waits, applied = (_prepare(office, domain) for domain in (OPENING, OPENED))
    office.work()
    office.apply(applied)
    with services.database.transaction() as session:
        file = files.open_file(
            session,
            services.hashes,
            services.rules.current(),
            now,
            Actor(operator.name, "a test", "ticket 4412"),
            address=CAMILLE,
            operator_id=operator.id,
            scope=operator.scope,
        )
        mail_id = session.scalar(select(Mail.id).limit(1))
        invitation_id = session.scalar(select(ThirdPartyInvitation.id).limit(1))
    return _paths(sent.id, waits, applied, file.id, mail_id, invitation_id, other.id)


def _prepare(office: Office, domain: str) -> int:
    """A change that opens this domain and waits to be checked; returns its number."""
    rule = Rule(RuleKind.DOMAIN, domain, AccountClass.AGENT, EDUCATION, requires_invite=False)
    with office.services.database.transaction() as session:
        now = office.clock()
        change = changes.make(session, now, OLGA, title=f"Open {domain}", put=[rule])
        changes.order_check(session, now, OLGA, change)
        return change.number


def _paths(
    import_id: uuid.UUID,
    waits: int,
    applied: int,
    file_id: uuid.UUID,
    mail_id: uuid.UUID,
    invitation_id: uuid.UUID,
    operator_id: uuid.UUID,
) -> dict[str, str]:
    change, file = f"/changes/C-{waits}", f"/people/{file_id}"
    alone = (
        *("about", "access", "changes", "domains", "health", "homeservers", "incidents"),
        *("invitations", "journal", "mails", "me", "menu", "people", "requests", "revisions"),
        *("settings", "test"),
    )
    return {name: f"/admin/{name}" for name in alone} | {
        name: f"/admin{path}"
        for name, path in {
            "home": "/",
            "answer_person": f"{file}/answer",
            "break_glass_page": f"{change}/break-glass",
            "change": change,
            "change_effects": f"{change}/effects",
            "change_history": f"{change}/history",
            "change_lines": f"{change}/lines",
            "domain": "/domains/ac-rouen.example",
            "edit_homeserver": f"/homeservers/{EDUCATION}/edit",
            "edit_line": f"{change}/line",
            "erase_person": f"{file}/erase",
            "erase_somebody": "/people/erase",
            "homeserver": f"/homeservers/{EDUCATION}",
            "homeserver_jobs": f"/homeservers/{EDUCATION}/jobs",
            "import_outcome": f"/changes/import/{import_id}",
            "import_page": "/changes/import",
            "invitation": f"/invitations/{invitation_id}",
            "invite_form": "/access/invite",
            "mail": f"/mails/{mail_id}",
            "new_change": "/changes/new",
            "new_token_form": "/access/tokens/new",
            "operator_page": f"/access/{operator_id}",
            "person": file,
            "request_page": "/requests/D-1",
            "revision": "/revisions/1",
            "roll_back_page": f"/changes/C-{applied}/roll-back",
            "search_again": "/search",
            "stayed": "/stay",
        }.items()
    }
