"""What Guichet would refuse is refused by the module: the client reads why, not Synapse's 500."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from domain_rules.synapse_modules import guest_rules, invitation_check
from domain_rules.synapse_modules.clients import GuichetAnswer, GuichetUnreachable
from domain_rules.synapse_modules.configuration import Mode
from domain_rules.synapse_modules.sentences import SENTENCES, RefusalReason
from tests.worlds.module_synapse import ANA, GIL, GUESTS, Refused, process, run

ASKED = ("email", "lea@asso.example", "!room:agents.example")


class Guichet:
    """Answers as told, and keeps what it was asked."""

    def __init__(self, told):
        self.told, self.asked = told, []

    async def post(self, path, question):
        assert path == "/may-invite"
        self.asked.append(question)
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def no(reason, **further):
    return GuichetAnswer(200, {"allowed": False, "org.guichet.reason": reason, **further}, None)


YES = GuichetAnswer(200, {"allowed": True}, None)


def answer(told, who=ANA, *, asked=ASKED, silent_for=0, paused=(), **config):
    there = process(GUESTS, **config)
    there.told.paused = list(paused)
    there.told.revision += 1
    there.poll()
    there.synapse.now += silent_for * 1000
    guichet = Guichet(told)
    context = replace(there.context, client=guichet)
    said = there.refusals.terms.not_spam
    for part in (guest_rules.GuestRules, invitation_check.InvitationCheck):
        part(context)
        if said is there.refusals.terms.not_spam:
            said = run(there.synapse.callbacks["user_may_send_3pid_invite"](who, *asked))
    return said, there.refusals.terms.not_spam, guichet.asked


@pytest.mark.parametrize(
    ("reason", "further"),
    [
        ("invitations_paused", {"org.guichet.until": "2027-03-31T09:00:00+00:00"}),
        ("too_many_invitations", {"retry_after_ms": 5000}),
        ("address_not_accepted", {}),
        ("already_in_the_room", {}),
        ("invitations_frozen", {"org.guichet.until": "2027-03-31T09:00:00+00:00"}),
        ("domain_frozen", {}),
        ("inviter_blocked", {}),
    ],
)
def test_a_refusal_goes_out_with_code_reason_and_a_sentence(reason, further):
    (code, fields), _, asked = answer(no(reason, **further))
    assert code == "M_FORBIDDEN"
    assert fields["org.guichet.reason"] == reason
    assert fields["error"] == fields["org.guichet.message"]["fr"]
    assert fields["error"] != SENTENCES[RefusalReason.NOT_ALLOWED].french
    assert further.items() <= fields.items()
    medium, address, room_id = ASKED
    assert asked == [{"sender": ANA, "medium": medium, "address": address, "room_id": room_id}]


def test_the_people_of_a_suspended_homeserver_read_so():
    body = {"errcode": "M_FORBIDDEN", "org.guichet.reason": "homeserver_suspended"}
    (code, fields), _, _ = answer(GuichetAnswer(403, body, None))
    assert (code, fields["org.guichet.reason"]) == ("M_FORBIDDEN", "homeserver_suspended")
    assert fields["error"] == SENTENCES[RefusalReason.HOMESERVER_SUSPENDED].french


def test_a_reason_of_a_newer_guichet_is_told_in_general_words():
    (code, fields), _, _ = answer(no("something_new"))
    assert (code, fields["org.guichet.reason"]) == ("M_FORBIDDEN", "not_allowed")


@pytest.mark.parametrize(
    "told",
    [
        GuichetAnswer(200, {"allowed": True}, None),
        GuichetAnswer(404, {"errcode": "M_UNRECOGNIZED"}, None),
        GuichetAnswer(200, ["?"], None),
        GuichetUnreachable("no answer"),
    ],
)
def test_what_guichet_does_not_refuse_goes_on(told):
    said, allowed, asked = answer(told)
    assert said is allowed
    assert len(asked) == 1


def test_a_guest_is_refused_before_guichet_is_asked():
    (_, fields), _, asked = answer(GuichetAnswer(200, {"allowed": True}, None), who=GIL)
    assert fields["org.guichet.reason"] == "guest_may_not_invite_by_mail"
    assert asked == []


@pytest.mark.parametrize(
    ("silent_for", "config", "is_refused"),
    [
        (60, {}, False),
        (61, {}, True),
        (61, {"poll_seconds": 60}, False),
        (181, {"poll_seconds": 60}, True),
        (61, {"poll_seconds": 1}, True),
        (61, {"mode": Mode.LOG}, False),
        (61, {"exempt": frozenset({ANA})}, True),
    ],
)
def test_while_guichet_is_not_heard_everybody_is_told_to_try_later(silent_for, config, is_refused):
    """Nobody could store the invitation, and Synapse would make a 500 of that."""
    said, allowed, asked = answer(YES, silent_for=silent_for, **config)
    assert (said is not allowed) == is_refused
    if is_refused:
        code, fields = said
        assert (code, fields["org.guichet.reason"]) == ("M_FORBIDDEN", "guichet_unreachable")
        assert "later" in fields["org.guichet.message"]["en"]
        assert asked == []


def test_who_is_paused_is_refused_from_memory_and_invites_agents_all_the_same():
    (_, fields), _, asked = answer(YES, paused=[ANA])
    assert (fields["org.guichet.reason"], asked) == ("invitations_paused", [])
    for config in ({}, {"mode": Mode.LOG}):
        said, allowed, _ = answer(
            YES, paused=[ANA], asked=("email", "bo@interieur.example", "!r:x"), **config
        )
        assert said is allowed
    said, allowed, _ = answer(YES, paused=[GIL])
    assert said is allowed


def test_where_refusals_are_only_logged_the_invitation_goes_on():
    said, allowed, _ = answer(no("invitations_paused"), mode=Mode.LOG)
    assert said is allowed


def creation(invited, *, silent_for=0, paused=(), **config):
    """What is said to a room that is made for these invitations by mail."""
    there = process(GUESTS, **config)
    there.told.paused = list(paused)
    there.told.revision += 1
    there.poll()
    there.synapse.now += silent_for * 1000
    invitation_check.InvitationCheck(replace(there.context, client=Guichet(YES)))
    requester = SimpleNamespace(user=SimpleNamespace(to_string=lambda: ANA))
    asked = {"preset": "private_chat", "invite_3pid": invited}
    return run(there.synapse.callbacks["on_create_room"](requester, asked, False))


BY_MAIL = [{"medium": "email", "address": "lea@asso.example"}]


@pytest.mark.parametrize("how", [{"silent_for": 61}, {"paused": [ANA]}])
def test_no_room_is_left_behind_whose_invitations_by_mail_would_be_refused(how):
    with pytest.raises(Refused):
        creation(BY_MAIL, **how)
    creation(BY_MAIL, **how, mode=Mode.LOG)
    for none in ([], None, {}, "lea@asso.example", [None, {}, {"address": 7}]):
        creation(none, **how)


def test_a_room_is_made_with_invitations_by_mail_that_may_be_sent():
    assert creation(BY_MAIL) is None
    to_an_agent = [{"medium": "email", "address": "ana@interieur.example"}]
    assert creation(to_an_agent, paused=[ANA]) is None
