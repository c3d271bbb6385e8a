"""The mails of invitations as they leave: for whom, in which language, and when they do not leave at all."""

import re

import pytest

from domain_rules.addresses import EmailAddress
from identity.accounts.models import Account
from identity.core.one_time_codes.models import Purpose
from identity.core.outbox import Lane
from identity.invitations import opting_out, service as invitations
from identity.invitations.mail_grouping import GATHERING_TIME
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.mail.rendering import group_digits
from identity.sign_up import service as sign_up
from identity.threepids import associations
from tests.services.person import code_in
from tests.worlds import codes
from tests.worlds.inviting import GIL, ZOE, Inviting
from tests.worlds.worker import *
from workers import tasks

OTHER = "!other:education.example"
TOKENS = re.compile(r"/n/([\w.-]+)")


@pytest.fixture
def zoe(services, rules, clock) -> Inviting:
    return Inviting(services.database, rules, clock)


@pytest.fixture
def sent(services, postbox, clock):
    """What left, in all lanes, when the rooms of one go were gathered."""

    def sent():
        clock.time += GATHERING_TIME
        for lane in Lane:
            tasks.run_lane(services, lane)
        return postbox.sent

    return sent


@pytest.fixture
def order(services, clock):
    def order(template, row, language=""):
        with services.database.transaction() as session:
            mails.order(
                session,
                clock(),
                template=template,
                address=GIL,
                language=language,
                subject_id=row.id,
                due_at=clock(),
            )

    return order


def text_of(message) -> str:
    return message.get_body(("plain",)).get_content()


def states(services) -> list[str]:
    with services.database.reading() as session:
        return sorted(mail.state for mail in mails.find_recent(session))


def test_the_mail_has_code_links_masked_address_and_a_way_to_end_it(zoe, services, sent):
    row = zoe.store()
    [mail] = sent()
    text, tokens = text_of(mail), services.tokens
    with services.database.reading() as session:
        code = codes.mailed(session, tokens, Purpose.INVITATION, GIL)
    assert f"\n\n{group_digits(code)}\n\n" in text
    assert "g•••@association.example" in text
    assert GIL not in text
    for kind, purpose in (("i", "invitation"), ("n", "not_me"), ("d", "opt_out")):
        [token] = {line.partition(f"/{kind}/")[2] for line in text.split() if f"/{kind}/" in line}
        assert tokens.read_link(token, purpose) == row.id
    assert mail["List-Unsubscribe"].startswith("<http://127.0.0.1:8090/d/")


def test_the_mail_speaks_the_inviters_language_if_the_invited_persons_is_not_known(
    zoe, services, sent, clock
):
    with services.database.transaction() as session:
        session.add(account(clock, "zoe.martin@ac-rouen.example", ZOE, "en"))
    zoe.store()
    [mail] = sent()
    assert mail["Content-Language"] == "en"


def account(clock, address, user_id, language) -> Account:
    return Account(
        address=address,
        user_id=user_id,
        homeserver=user_id.partition(":")[2],
        account_class="agent",
        display_name="Gil",
        language=language,
        state="ready",
        creation_mark="",
        created_at=clock(),
    )


def test_an_address_that_wants_no_more_gets_none(zoe, services, sent, order, clock):
    with services.database.transaction() as session:
        opting_out.opt_out(session, services.hashes, clock(), GIL)
    row = zoe.store()
    order(Template.REMINDER, row)
    order(Template.INVITE_DIGEST, row)
    for _ in range(
        3
    ):  # one after the other: each that is dropped lets the next one go, in its own lane
        assert sent() == []
    assert states(services) == ["dropped", "dropped", "dropped"]


def test_a_code_to_prove_the_mailbox_still_comes_to_who_wants_no_invitations(
    zoe, services, sent, rules, clock
):
    zoe.store()
    with services.database.transaction() as session:
        opting_out.opt_out(session, services.hashes, clock(), GIL)
        facts = {"address": EmailAddress.parse(GIL), "browser": "ana", "language": "fr"}
        sign_up.start(session, rules, clock(), **facts)
    assert [mail["X-Guichet-Template"].partition(";")[0] for mail in sent()] == ["verify"]


@pytest.mark.parametrize("template", [Template.INVITE, Template.REMINDER, Template.INVITE_DIGEST])
def test_what_ended_before_its_mail_left_gets_none(zoe, services, sent, order, template):
    row = zoe.store()
    order(template, row)
    zoe.act(invitations.revoke, row, by=ZOE)
    assert sent() == []


def test_every_mail_carries_a_code_that_is_good_when_it_leaves(
    zoe, services, sent, order, postbox, clock
):
    row = zoe.store()
    old = code_in(text_of(sent()[-1]))
    clock.advance(days=7)
    order(Template.REMINDER, row, "en")
    reminder = sent()[-1]
    subject = reminder["Subject"].replace("\u00a0", " ")
    assert subject == "Your invitation expires on Wednesday 31 March"
    assert code_in(text_of(reminder)) != old


def test_a_digest_tells_of_all_that_waits_and_one_alone_is_told_like_an_invitation(
    zoe, services, sent, order, clock
):
    first, second = zoe.store(), zoe.store(room_id=OTHER)
    sent()
    clock.advance(hours=1)
    order(Template.INVITE_DIGEST, second, "fr")
    digest = sent()[-1]
    assert digest["Subject"] == "2\u00a0invitations vous attendent"
    assert ZOE in text_of(digest)
    zoe.act(invitations.revoke, first, by=ZOE)
    clock.advance(days=1)
    order(Template.INVITE_DIGEST, second, "fr")
    assert sent()[-1]["Subject"] == "Vous êtes invité sur Guichet"


@pytest.mark.parametrize("language", ["fr", "en", ""])
def test_who_is_named_with_others_can_be_refused_in_text_and_html(
    zoe, services, sent, order, clock, language
):
    senders = [f"@person{number}:education.example" for number in range(5)]
    rows = [zoe.store(room_id=f"!{each}", sender=each) for each in senders]
    sent()
    clock.advance(hours=1)
    order(Template.INVITE_DIGEST, rows[-1], language)
    digest = sent()[-1]
    for part in ("plain", "html"):
        text = digest.get_body((part,)).get_content()
        refused = {services.tokens.read_link(token, "not_me") for token in TOKENS.findall(text)}
        named = {row.id for row in rows if row.sender in text}
        assert len(named) == 3
        assert refused == named


def test_the_mail_with_a_code_says_who_invited(zoe, services, sent, rules, clock):
    zoe.store()
    with services.database.transaction() as session:
        address = "zoe.martin@ac-rouen.example"
        associations.bind(session, clock(), address=address, user_id=ZOE)
        facts = {"address": EmailAddress.parse(GIL), "browser": "ana", "language": "fr"}
        sign_up.start(session, rules, clock(), **facts)
    [verify] = [mail for mail in sent() if "verify" in mail["X-Guichet-Template"]]
    assert "Une invitation de Zoe Martin vous attend." in text_of(verify)
