"""Who may have an account by mail, by the rules in memory and by what Guichet says of the invitation."""

import asyncio
import logging
from dataclasses import dataclass, field, replace

import pytest

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.rules import RuleSet
from domain_rules.synapse_modules.cache import Cache
from domain_rules.synapse_modules.clients import GuichetAnswer, GuichetUnreachable
from domain_rules.synapse_modules.configuration import ClassSource, Config, Mode
from domain_rules.synapse_modules.part import Context
from domain_rules.synapse_modules.refusals import Refusals, SynapseTypes, refusal_counter
from domain_rules.synapse_modules.registration_gate import (
    EMAIL_PROOF,
    SENTENCE,
    RegistrationPolicy,
    RegistrationRefusal,
)
from domain_rules.synapse_modules.snapshot import Snapshot
from tests.worlds.module_synapse import at_once

AGENTS, GUESTS, MIXED = "agents.example", "guests.example", "mixed.example"
ANA, GIL, NOE = "ana@ac-rouen.example", "gil@asso.example", "noe@mixte.example"
CONFIG = Config(guichet_url="https://guichet.example", credential="secret")


def domain(pattern: str, homeserver: str | None, **facts) -> Rule:
    facts = {"requires_invite": False} | facts
    return Rule(RuleKind.DOMAIN, pattern, AccountClass.AGENT, homeserver, **facts)


DEFAULT = Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, GUESTS, requires_invite=True)
RULES = (
    domain("ac-rouen.example", AGENTS, organisation="Éducation nationale – Rouen"),
    domain("mixte.example", MIXED),
    domain("fermee.example", AGENTS, requires_invite=True),
    domain("ac-normandie.example", None, sibling_of="ac-rouen.example"),
)


@dataclass(frozen=True)
class OwnName:
    """What knowledge asks of Synapse."""

    server_name: str

    def get_current_time_msec(self) -> int:
        return 0


@dataclass
class FakeGuichet:
    """Answers `/may-register`; None: it is away."""

    answer: GuichetAnswer | None = None
    asked: list[dict[str, str]] = field(default_factory=list)

    async def post(self, path: str, body: dict[str, str]) -> GuichetAnswer:
        assert path == "/may-register"
        self.asked.append(body)
        if self.answer is None:
            raise GuichetUnreachable(f"POST {path} {body}")
        return self.answer

    def says(self, *, allowed: object) -> None:
        self.answer = GuichetAnswer(200, {"allowed": allowed}, None)


@pytest.fixture
def guichet() -> FakeGuichet:
    return FakeGuichet()


@pytest.fixture
def gate_of(guichet):
    def gate_of(
        name: str, *, rules=(*RULES, DEFAULT), mode=Mode.ENFORCE, scheme="address"
    ) -> RegistrationPolicy:
        cache = Cache(CONFIG, OwnName(name))
        cache.snapshot = Snapshot(
            epoch="e",
            own_name=name,
            user_id_scheme=scheme,
            sources={
                AGENTS: ClassSource.AGENT,
                GUESTS: ClassSource.GUEST,
                MIXED: ClassSource.BY_PERSON,
            },
            rules=RuleSet.compile(rules),
        )
        terms = SynapseTypes(
            not_spam="NOT_SPAM", forbidden="M_FORBIDDEN", error_class=RuntimeError, within=at_once
        )
        refusals = Refusals(terms, lambda: 0, mode=mode)
        return RegistrationPolicy(Context(CONFIG, None, cache, refusals, guichet))

    return gate_of


def may(
    gate: RegistrationPolicy, address: str, *, medium: str = "email", registration: bool = True
) -> bool:
    answer = asyncio.run(gate.is_3pid_allowed(medium, address, registration))
    assert type(answer) is bool  # anything else is taken for yes by Synapse
    return answer


def count(reason: RegistrationRefusal, mode: Mode = Mode.ENFORCE) -> float:
    return refusal_counter.labels(reason.value, mode.value)._value.get()


def proof(address: str) -> dict[str, object]:
    return {EMAIL_PROOF: {"medium": "email", "address": address, "validated_at": 1}}


def test_an_address_registers_where_its_rule_says_and_nowhere_else(gate_of, guichet):
    assert may(gate_of(AGENTS), ANA)
    assert may(gate_of(AGENTS), "Ana@AC-Rouen.example")
    assert not may(gate_of(GUESTS), ANA)
    assert not may(gate_of(MIXED), ANA)
    assert {each["address"].lower() for each in guichet.asked} == {ANA}, "of who may come in alone"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, "sign_ups_frozen"),
        (200, "domain_frozen"),
        (200, "homeserver_retired"),
        (403, "homeserver_suspended"),
    ],
)
def test_nobody_registers_while_operators_have_stopped_it_not_even_by_an_open_rule(
    gate_of, guichet, status, reason
):
    body = {"allowed": False, "org.guichet.reason": reason}
    guichet.answer = GuichetAnswer(status, body, None)
    assert not may(gate_of(AGENTS), ANA)
    assert not may(gate_of(GUESTS), GIL)
    assert may(gate_of(AGENTS, mode=Mode.LOG), ANA)


def test_an_open_rule_needs_no_answer_and_a_no_without_a_reason_takes_nothing_from_it(
    gate_of, guichet
):
    guichet.says(allowed=False)
    assert may(gate_of(AGENTS), ANA)
    guichet.answer = None
    assert may(gate_of(AGENTS), ANA)


def test_a_guest_registers_by_a_live_invitation_that_guichet_knows(gate_of, guichet):
    guichet.says(allowed=True)
    assert may(gate_of(GUESTS), GIL)
    assert guichet.asked == [{"medium": "email", "address": GIL}]
    guichet.says(allowed=False)
    assert not may(gate_of(GUESTS), GIL)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        GuichetAnswer(200, {"allowed": "yes"}, None),
        GuichetAnswer(200, {}, None),
        GuichetAnswer(200, None, None),
        GuichetAnswer(200, [True], None),
        GuichetAnswer(403, {"allowed": True}, None),
    ],
)
def test_without_a_clear_yes_nobody_comes_in_who_needs_an_invitation(gate_of, guichet, answer):
    guichet.answer = answer
    assert not may(gate_of(GUESTS), GIL)
    assert may(gate_of(AGENTS), ANA)


def test_nobodys_address_and_what_is_no_address_register_nowhere(gate_of, guichet):
    guichet.says(allowed=True)
    assert not may(gate_of(GUESTS, rules=RULES), GIL)
    assert not may(gate_of(AGENTS), "ana")
    assert not may(gate_of(AGENTS), f"{ANA}.evil.example")
    assert not may(gate_of(AGENTS), f"<{ANA}>")


def test_a_siblings_address_is_a_guests_until_it_uses_the_other(gate_of, guichet):
    guichet.says(allowed=True)
    assert not may(gate_of(AGENTS), "ana@ac-normandie.example")
    assert may(gate_of(GUESTS), "ana@ac-normandie.example")


def test_an_agents_domain_may_want_an_invitation_too(gate_of, guichet):
    assert not may(gate_of(AGENTS), "zoe@fermee.example")
    guichet.says(allowed=True)
    assert may(gate_of(AGENTS), "zoe@fermee.example")


def test_as_long_as_guichet_was_never_heard_nobody_registers(gate_of):
    gate = gate_of(AGENTS)
    gate.cache.snapshot = Snapshot()
    assert not may(gate, ANA)


def test_later_only_an_address_that_belongs_here_is_added(gate_of, guichet):
    assert may(gate_of(AGENTS), ANA, registration=False)
    assert not may(gate_of(AGENTS), GIL, registration=False)
    assert may(gate_of(GUESTS), GIL, registration=False)
    assert not may(gate_of(GUESTS), ANA, registration=False)
    assert guichet.asked == []


def test_where_the_class_is_the_persons_every_address_may_be_added(gate_of):
    assert may(gate_of(MIXED), ANA, registration=False)
    assert may(gate_of(MIXED), GIL, registration=False)
    assert not may(gate_of(MIXED), "gil", registration=False)
    assert may(gate_of(MIXED), NOE)


def test_a_telephone_number_gives_no_account_and_may_be_added(gate_of):
    assert not may(gate_of(AGENTS), "33612345678", medium="msisdn")
    assert may(gate_of(AGENTS), "33612345678", medium="msisdn", registration=False)


def test_where_refusals_are_only_logged_everybody_comes_in_and_is_counted(gate_of, guichet):
    guichet.says(allowed=False)
    gate = gate_of(GUESTS, mode=Mode.LOG)
    before = (
        count(RegistrationRefusal.ELSEWHERE, Mode.LOG),
        count(RegistrationRefusal.NOT_INVITED, Mode.LOG),
    )
    assert may(gate, ANA)
    assert may(gate, GIL)
    after = (
        count(RegistrationRefusal.ELSEWHERE, Mode.LOG),
        count(RegistrationRefusal.NOT_INVITED, Mode.LOG),
    )
    assert after == (before[0] + 1, before[1] + 1)
    gate.check({"medium": "email", "address": ANA})


def test_the_log_names_the_right_homeserver_and_never_the_address(gate_of, caplog):
    caplog.set_level(logging.DEBUG)
    assert not may(gate_of(GUESTS), ANA)
    assert AGENTS in caplog.text
    assert not may(gate_of(GUESTS), GIL)  # Guichet is away, and its client says whom it asked about
    assert "guichet_away" in caplog.text
    for told in ("ana", "rouen", "gil", "asso"):
        assert told not in caplog.text.lower()


def test_the_last_look_before_the_account_follows_a_change_of_rules(gate_of):
    gate = gate_of(AGENTS)
    email = {"medium": "email", "address": ANA, "threepid_creds": {"client_secret": "s"}}
    gate.check(email)
    gate.check(None)  # made by the administration, which proved the address itself
    gate.cache.snapshot = replace(gate.cache.snapshot, rules=RuleSet.compile([DEFAULT]))
    with pytest.raises(RuntimeError) as refused:
        gate.check(email)
    assert SENTENCE.french in refused.value.args


def test_the_user_id_follows_the_scheme_of_the_homeserver(gate_of):
    assert gate_of(AGENTS).user_name(proof(ANA)) == "ana-ac=2drouen.example"
    assert gate_of(AGENTS, scheme="tchap").user_name(proof(ANA)) == "ana-ac-rouen.example"
    drawn = {gate_of(GUESTS, scheme="random").user_name(proof(GIL)) for _ in range(20)}
    assert len(drawn) == 20
    assert all(name.startswith("guest-") for name in drawn)


def test_the_display_name_comes_from_the_address_and_its_organisation(gate_of):
    assert gate_of(AGENTS).display_name(proof("camille.durand@ac-rouen.example")) == (
        "Camille Durand [Rouen]"
    )
    assert gate_of(GUESTS).display_name(proof("gil.roy@asso.example")) == "Gil Roy"


@pytest.mark.parametrize(
    "results",
    [{}, {EMAIL_PROOF: True}, {EMAIL_PROOF: {"medium": "msisdn", "address": "336"}}, proof("?")],
)
def test_without_a_proved_address_synapse_names_the_account(gate_of, results):
    assert gate_of(AGENTS).user_name(results) is None
    assert gate_of(AGENTS).display_name(results) is None
