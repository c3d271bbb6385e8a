"""What the web does for an address does not depend on what is known of it: same statements, same rows, same bell."""

import re
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event

from identity.accounts import verified_addresses
from identity.accounts.models import Account
from identity.invitations import opting_out
from identity.mail import models as mails, suppressions
from identity.mail.suppressions import SuppressionReason
from identity.threepids import associations
from identity.web.request_context import EXTENSION
from tests.worlds.pages import *

OPEN = "ac-rouen.example"


def nothing(site, address):
    """Nobody knows the address."""


def account(site, address):
    with site.services.database.transaction() as session:
        session.add(
            Account(
                address=address,
                user_id=f"@{address.partition('@')[0]}:education.example",
                homeserver="education.example",
                account_class="agent",
                display_name="",
                language="fr",
                state="ready",
                creation_mark="",
                created_at=site.clock(),
            )
        )


def bound(site, address):
    with site.services.database.transaction() as session:
        user_id = f"@{address.partition('@')[0]}:education.example"
        associations.bind(session, site.clock(), address=address, user_id=user_id)
        verified_addresses.add(session, site.clock(), user_id=user_id, address=address)


def invited(site, address):
    site.invited(address=address)


def opted_out(site, address):
    site.invited(address=address)
    with site.services.database.transaction() as session:
        opting_out.opt_out(session, site.services.hashes, site.clock(), address)


def suppressed(site, address):
    with site.services.database.transaction() as session:
        digest = site.services.hashes.hash_of_address(session, address)
        until = site.clock() + timedelta(days=30)
        suppressions.add(session, site.clock(), digest, SuppressionReason.NO_MAILBOX, until=until)


REALITIES = {
    "of nobody": (OPEN, nothing),
    "with an account": (OPEN, account),
    "bound by a client": (OPEN, bound),
    "without a mailbox": (OPEN, suppressed),
    "a guest's, invited": ("asso.example", invited),
    "a guest's, not invited": ("asso.example", nothing),
    "a guest's, who wants no invitations": ("asso.example", opted_out),
    "a guest's, with an account": ("asso.example", account),
    "of another server": ("interieur.example", nothing),
}


@contextmanager
def watched(site):
    """Statements by their text without values, and lanes whose bell was rung."""
    seen, database = [], site.services.database

    def note(_connection, _cursor, statement, *_others):
        seen.append(re.sub(r"\s+", " ", statement))

    # Each process reads the key of marks in the log once; its heartbeat does so before any request.
    site.app.extensions[EXTENSION].mark_of("first@asso.example")
    rung = database.wake_outbox
    database.wake_outbox = lambda lanes: seen.append(f"bell of {sorted(lanes)}")
    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
        database.wake_outbox = rung


def work(site, address, path, step, **fields):
    """What one step costs, in a browser of its own."""
    visitor = site.visitor()
    with watched(site) as seen:
        step(site, visitor, path, {"email": address, **fields})
    return seen


def first(_site, visitor, path, fields):
    assert visitor.send(path, **fields).status_code == 303


def resend(_site, visitor, path, fields):
    visitor.send(path, **fields)
    visitor.send("/check/1/resend")


def unlike_nobody(site, path, step, **fields):
    """The realities in which the work differs from that for an address nobody knows."""
    costs = {}
    began = site.clock()
    for number, (what, (domain, know)) in enumerate(REALITIES.items()):
        site.clock.time = began
        address = f"somebody{number}@{domain}"
        know(site, address)
        costs[what] = work(site, address, path, step, **fields)
    assert any("INSERT INTO outbox" in each for each in costs["of nobody"])
    return {what: cost for what, cost in costs.items() if cost != costs["of nobody"]}


@pytest.mark.parametrize("step", [first, resend], ids=["asked", "asked again"])
def test_start_works_alike_for_every_address(site_on_either, step):
    assert unlike_nobody(site_on_either, "/start", step, invited="1") == {}


def test_signing_in_to_lists_works_alike_for_every_address(site_on_either):
    assert unlike_nobody(site_on_either, "/lists/sign-in", first) == {}


def test_asking_for_a_code_on_an_invitations_page_works_alike(site_on_either):
    """Of somebody who has an account by now, and of somebody who has none."""
    site, costs = site_on_either, []
    for number, know in enumerate((nothing, opted_out_later)):
        address = f"guest{number}@asso.example"
        row = site.invited(address=address)
        know(site, address)
        costs.append(work(site, address, site.mailed(row), ask))
    assert costs[0] == costs[1]


def opted_out_later(site, address):
    with site.services.database.transaction() as session:
        opting_out.opt_out(session, site.services.hashes, site.clock(), address)


def ask(_site, visitor, path, _fields):
    assert visitor.send(path, send="1").status_code == 303


def test_only_the_worker_finds_out_what_the_mailbox_is_told(site_on_either):
    site = site_on_either
    told = {}
    for number, (what, (domain, know)) in enumerate(REALITIES.items()):
        address = f"somebody{number}@{domain}"
        know(site, address)
        site.visitor().send("/start", email=address, invited="1")
        assert set(site.mails()) == {"verify"}
        told[what] = address
    site.post()
    with site.services.database.reading() as session:
        shown = {
            what: next(
                (mail.template, mail.state)
                for mail in mails.find_by_address(session, address)
                if mail.template in {"verify", "exists", "none"}
            )
            for what, address in told.items()
        }
    assert shown == {
        "of nobody": ("verify", "handed"),
        "with an account": ("exists", "handed"),
        "bound by a client": ("exists", "handed"),
        "without a mailbox": ("verify", "refused"),
        "a guest's, invited": ("verify", "handed"),
        "a guest's, not invited": ("none", "handed"),
        "a guest's, who wants no invitations": ("verify", "handed"),
        "a guest's, with an account": ("exists", "handed"),
        "of another server": ("verify", "handed"),
    }
