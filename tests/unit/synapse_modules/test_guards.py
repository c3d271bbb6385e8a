"""Every callback has an end, and a fault of ours is never a 500: it answers by a rule, is logged and counted."""

from types import SimpleNamespace

import pytest
from prometheus_client import REGISTRY

from domain_rules.synapse_modules.configuration import Mode
from domain_rules.synapse_modules.guards import ALLOWED, Guards
from domain_rules.synapse_modules.refusals import Refusals, SynapseTypes
from domain_rules.synapse_modules.sentences import RefusalReason
from domain_rules.synapse_modules.time_limits import CallbackLate
from tests.worlds.module_synapse import Refused, at_once, run

GIL, ANA = "@gil:guests.example", "@ana:agents.example"
ADDRESS = "camille.durand@asso.example"


async def too_late(_seconds, _callback, *_facts):
    raise CallbackLate("no answer within 5 seconds")


async def broken(*_facts):
    raise OSError("the database restarts")


async def faltering(*_facts):
    raise Refused(404, "no row found", "M_NOT_FOUND", {})


def guards(mode: Mode = Mode.ENFORCE, within=at_once) -> Guards:
    return Guards(refusals_of(mode, within), closes_for=GIL.__eq__)


def refusals_of(mode: Mode, within) -> Refusals:
    terms = SynapseTypes(
        not_spam="NOT_SPAM", forbidden="M_FORBIDDEN", error_class=Refused, within=within
    )
    return Refusals(terms, lambda: 0, mode=mode)


def failures(why: str) -> float:
    labels = {"callback": "broken", "why": why}
    return REGISTRY.get_sample_value("guichet_callback_failures_total", labels) or 0.0


@pytest.mark.parametrize(("within", "why"), [(at_once, "fault"), (too_late, "late")])
def test_without_an_answer_guests_are_refused_and_agents_go_on(within, why):
    before = failures(why)
    answering = guards(within=within).answering(broken)
    code, fields = run(answering(GIL, "!room"))
    assert (code, fields["org.guichet.reason"]) == ("M_FORBIDDEN", "not_allowed")
    assert run(answering(ANA, "!room")) == "NOT_SPAM"
    assert failures(why) == before + 2


@pytest.mark.parametrize("within", [at_once, too_late])
def test_what_insists_refuses_by_an_exception_of_synapse(within):
    insisting = guards(within=within).insisting(broken)
    with pytest.raises(Refused):
        run(insisting(SimpleNamespace(sender=GIL)))
    assert run(insisting(SimpleNamespace(sender=ANA))) == ALLOWED


def test_what_is_no_concern_is_not_even_asked():
    insisting = guards().insisting(broken, concerns=lambda event: event.sender != GIL)
    assert run(insisting(SimpleNamespace(sender=GIL))) == ALLOWED


def test_a_refusal_of_the_callbacks_own_goes_through():
    refusals = refusals_of(Mode.ENFORCE, at_once)

    async def refusing(*_facts):
        refusals.refuse_by_raising(RefusalReason.GUEST_MAY_NOT_KNOCK, GIL)

    guarded = Guards(refusals, closes_for=GIL.__eq__).insisting(refusing)
    with pytest.raises(Refused) as refused:
        run(guarded(SimpleNamespace(sender=ANA)))
    assert refused.value.fields["org.guichet.reason"] == "guest_may_not_knock"


@pytest.mark.parametrize("mode", Mode)
def test_an_error_that_synapse_raises_when_it_is_asked_for_something_is_no_answer(mode):
    """In log mode it would refuse, and else say something that nobody of ours has written."""
    guarded = guards(mode)
    assert run(guarded.insisting(faltering)(SimpleNamespace(sender=ANA))) == ALLOWED
    assert run(guarded.answering(faltering)(ANA)) == "NOT_SPAM"
    assert run(guarded.deciding(faltering, otherwise=lambda: "no")("email", ADDRESS)) == "no"
    assert run(guarded.noticing(faltering)(GIL, "email", ADDRESS)) is None


def test_where_refusals_are_only_logged_a_fault_refuses_nobody():
    watching = guards(Mode.LOG)
    assert run(watching.answering(broken)(GIL)) == "NOT_SPAM"
    assert run(watching.insisting(broken)(SimpleNamespace(sender=GIL))) == ALLOWED


def test_yes_or_no_and_mere_notice_have_an_answer_in_their_place():
    assert run(guards().deciding(broken, otherwise=lambda: "no")("email", ADDRESS)) == "no"
    assert run(guards().noticing(broken)(GIL, "email", ADDRESS)) is None


def test_an_address_is_never_logged(caplog):
    run(guards().deciding(broken, otherwise=lambda: False)({"address": ADDRESS}, "camille"))
    run(guards().noticing(broken)(GIL, "email", ADDRESS))
    assert GIL in caplog.text
    assert "camille" not in caplog.text
