"""Every reason has its two sentences, is counted, and is kept for the support desk."""

import pytest
from prometheus_client import REGISTRY

from domain_rules.enums import StrEnum
from domain_rules.synapse_modules.configuration import Language, Mode
from domain_rules.synapse_modules.refusals import MAX_KEPT, Refusals, SynapseTypes
from domain_rules.synapse_modules.sentences import SENTENCES, RefusalReason, Sentence
from tests.worlds.module_synapse import Refused, at_once

GIL = "@gil:guests.example"


class OfAPart(StrEnum):
    """A reason that only this part has."""

    FULL = "conversation_is_full"


def refusals(mode: Mode = Mode.ENFORCE, language: Language = Language.FRENCH) -> Refusals:
    terms = SynapseTypes(
        not_spam=object(), forbidden="M_FORBIDDEN", error_class=Refused, within=at_once
    )
    return Refusals(terms, lambda: 1234, mode=mode, language=language)


@pytest.mark.parametrize("reason", RefusalReason)
def test_every_reason_says_something_in_both_languages(reason):
    french, english = SENTENCES[reason]
    assert french.endswith(".")
    assert english.endswith(".")
    assert "!" not in french + english
    assert french != english


def test_a_refusal_is_the_code_with_reason_and_message():
    code, fields = refusals().refuse(RefusalReason.GUEST_MAY_NOT_KNOCK, GIL)
    assert code == "M_FORBIDDEN"
    assert fields == {
        "error": "Les invités ne demandent pas à entrer dans un salon. Attendez une invitation.",
        "org.guichet.reason": "guest_may_not_knock",
        "org.guichet.message": {
            "fr": "Les invités ne demandent pas à entrer dans un salon. Attendez une invitation.",
            "en": "Guests do not ask to join a room. Wait for an invitation.",
        },
    }


def test_clients_show_our_sentence_in_the_language_of_the_homeserver():
    french, english = SENTENCES[RefusalReason.GUEST_MAY_NOT_KNOCK]
    for language, said in ((Language.FRENCH, french), (Language.ENGLISH, english)):
        speaking = refusals(language=language)
        assert speaking.fields(RefusalReason.GUEST_MAY_NOT_KNOCK)["error"] == said
        with pytest.raises(Refused, match=said):
            speaking.refuse_by_raising(RefusalReason.GUEST_MAY_NOT_KNOCK, GIL)


def test_where_nothing_is_enforced_yes_is_the_very_object_synapse_compares_with():
    watching = refusals(Mode.LOG)
    assert watching.refuse(RefusalReason.GUEST_MAY_NOT_KNOCK, GIL) is watching.terms.not_spam
    watching.refuse_by_raising(RefusalReason.GUEST_MAY_NOT_KNOCK, GIL)
    assert watching.is_log_only


def test_a_refusal_that_is_raised_carries_the_same_fields():
    given = refusals()
    with pytest.raises(Refused) as refused:
        given.refuse_by_raising(RefusalReason.GUEST_MAY_NOT_KNOCK, GIL)
    assert refused.value.status == 403
    assert refused.value.fields == given.fields(RefusalReason.GUEST_MAY_NOT_KNOCK)


@pytest.mark.parametrize("mode", Mode)
def test_each_reason_is_counted_by_mode(mode):
    labels = {"reason": "guest_may_not_knock", "mode": mode.value}

    def count():
        return REGISTRY.get_sample_value("guichet_refusals_total", labels) or 0

    before = count()
    refusals(mode).record(RefusalReason.GUEST_MAY_NOT_KNOCK, GIL)
    assert count() == before + 1


def test_the_last_refusals_are_kept_until_they_are_drained():
    given = refusals()
    for number in range(MAX_KEPT + 5):
        given.record(RefusalReason.GUEST_MAY_NOT_KNOCK, f"@u{number}:guests.example")
    kept = given.drain()
    assert len(kept) == MAX_KEPT
    assert kept[-1].user_id == f"@u{MAX_KEPT + 4}:guests.example"
    assert (kept[-1].at_ms, kept[-1].is_enforced) == (1234, True)
    assert given.drain() == []


def test_a_part_brings_its_own_reasons():
    given = refusals()
    given.add_sentences({OfAPart.FULL: Sentence("C’est complet.", "It is full.")})
    assert given.fields(OfAPart.FULL)["org.guichet.message"]["en"] == "It is full."


def test_a_reason_nobody_explained_still_says_something():
    assert (
        refusals()
        .fields(OfAPart.FULL)["org.guichet.message"]["en"]
        .startswith("This is not allowed.")
    )
