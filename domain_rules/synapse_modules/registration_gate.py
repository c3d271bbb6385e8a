"""Decides who may register an account here by mail, and its user ID and display name.

The decision is made from memory, except whether a guest has an open invitation, and whether
operators have stopped registrations: Guichet is asked for that, within ten seconds. While it cannot
be reached, nobody who needs an invitation registers.
"""

import logging
import secrets
from collections.abc import Mapping
from typing import Any

from domain_rules.display_names import display_name
from domain_rules.enums import StrEnum
from domain_rules.rules import Decision
from domain_rules.user_ids import Scheme, make_localpart

from .clients import GuichetUnreachable
from .configuration import ClassSource, Mode
from .guards import Guards
from .part import Context, Part
from .refusals import refusal_counter
from .sentences import RefusalReason, Sentence
from .snapshot import read_address
from .time_limits import ASKING_SECONDS

EMAIL_PROOF = "m.login.email.identity"
MAX_DRAWS = 5  # random localparts tried before one is left to fail
NOT_ENFORCED = (
    "NOT ENFORCED on this homeserver, because matrix_authentication_service is enabled: who"
    " registers, which addresses accounts get, user IDs, display names. docs/synapse.md says what"
    " to do there"
)

logger = logging.getLogger(__name__)


class RegistrationRefusal(StrEnum):
    """Why an address may not have an account here; counted and logged.

    When the validation mail is ordered, clients get only Synapse's M_THREEPID_DENIED; at the end of
    registration, `SENTENCE`.
    """

    NO_EMAIL = "registration_other_than_email"
    NO_ADDRESS = "registration_no_address"
    NO_RULE = "registration_no_rule"
    ELSEWHERE = "registration_elsewhere"
    NOT_INVITED = "registration_not_invited"
    GUICHET_AWAY = "registration_guichet_away"
    STOPPED = "registration_stopped"


SENTENCE = Sentence(
    "Cette adresse ne donne pas de compte sur ce serveur. Vérifiez-la, ou demandez une invitation.",
    "This address gives no account on this server. Check it, or ask for an invitation.",
)


STOPPED_SENTENCE = Sentence(
    "Les inscriptions sont suspendues par l’équipe du service. Réessayez plus tard.",
    "The team of the service has suspended sign-ups. Try again later.",
)
# Why Guichet refuses whom the rules admit.
STOPPED_REASONS = frozenset(
    {"sign_ups_frozen", "domain_frozen", "homeserver_suspended", "homeserver_retired"}
)


def find_objection(decision: Decision | None, own_name: str) -> RegistrationRefusal | None:
    """What the rules have against an account here; None leaves at most the invitation to check."""
    if decision is None:
        return RegistrationRefusal.NO_ADDRESS
    if decision.homeserver is None:
        return RegistrationRefusal.NO_RULE
    if own_name not in {decision.homeserver, decision.protected_homeserver}:
        return RegistrationRefusal.ELSEWHERE
    return None


def verified_address_in(uia_results: Mapping[str, Any]) -> str | None:
    """The address verified during registration, if there is one."""
    proof = uia_results.get(EMAIL_PROOF)
    if not isinstance(proof, Mapping) or proof.get("medium") != "email":
        return None
    address = proof.get("address")
    return address if isinstance(address, str) else None


class RegistrationPolicy(Part):
    """The decisions, without Synapse."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.refusals.add_sentences(
            dict.fromkeys(RegistrationRefusal, SENTENCE)
            | {RegistrationRefusal.STOPPED: STOPPED_SENTENCE}
        )

    async def is_3pid_allowed(
        self,
        medium: str,
        address: str,
        registration: bool,  # noqa: FBT001  Synapse calls it so
    ) -> bool:
        """Called when the mail is ordered, and when the account is created or gets the address."""
        await self.cache.ready()
        if medium != "email":
            # A telephone number makes nobody an agent, and does not prove who registers.
            return not registration or self._refuse(RegistrationRefusal.NO_EMAIL)
        decision = self.cache.decide(address)
        if not registration:
            return self._may_be_added(decision)
        why = find_objection(decision, self.cache.own_name)
        if why is None and decision:
            why = await self._ask(address, requires_invite=decision.requires_invite)
        return why is None or self._refuse(why, decision)

    def _may_be_added(self, decision: Decision | None) -> bool:
        """Whether an existing account may get the address.

        Where the class depends on the person, any address may be added; elsewhere those that belong
        here.
        """
        own = self.cache.own_name
        by_person = self.cache.class_of_server(own) == ClassSource.BY_PERSON.value
        if by_person and decision is not None:
            return True
        why = find_objection(decision, own)
        return why is None or self._refuse(why, decision)

    async def _ask(self, address: str, *, requires_invite: bool) -> RegistrationRefusal | None:
        """What Guichet has against it: nobody invited the person, or operators stopped it."""
        question = {"medium": "email", "address": address}
        away = RegistrationRefusal.GUICHET_AWAY if requires_invite else None
        try:
            answer = await self.client.post("/may-register", question)
        except GuichetUnreachable:
            return away
        body = answer.body if isinstance(answer.body, Mapping) else {}
        if body.get("org.guichet.reason") in STOPPED_REASONS:
            return RegistrationRefusal.STOPPED
        if not answer.is_good or not body:
            logger.warning("Guichet answers %s: is the credential still good?", answer.status)
            return away
        if body.get("allowed") is True or not requires_invite:
            return None
        return RegistrationRefusal.NOT_INVITED

    def _refuse(self, why: RegistrationRefusal, decision: Decision | None = None) -> bool:
        """What a boolean callback returns. The log never shows the address."""
        mode = Mode.LOG if self.refusals.is_log_only else Mode.ENFORCE
        done = "would refuse" if self.refusals.is_log_only else "refused"
        belongs = decision.homeserver if decision and why is RegistrationRefusal.ELSEWHERE else None
        logger.info("%s: %s%s", done, why, f", it belongs on {belongs}" if belongs else "")
        refusal_counter.labels(why.value, mode.value).inc()
        return self.refusals.is_log_only

    def user_name(self, uia_results: Mapping[str, Any]) -> str | None:
        """The localpart by the homeserver's scheme; None without a verified address."""
        address = read_address(verified_address_in(uia_results) or "")
        if address is None:
            return None
        scheme = Scheme(self.cache.user_id_scheme)
        return make_localpart(scheme, address, token=secrets.token_urlsafe())

    def display_name(self, uia_results: Mapping[str, Any]) -> str | None:
        """The display name, such as `Camille Durand [Rouen]`; None without a verified address."""
        address = read_address(verified_address_in(uia_results) or "")
        if address is None:
            return None
        return display_name(address, self.cache.rules.decide(address).organisation)

    def check(self, email: Mapping[str, Any] | None) -> None:
        """The last check before the account is created, by memory alone: rules may have changed.

        Raises our refusal; Synapse's own answer would be that the client asks too often.
        """
        if not email or email.get("medium") != "email":
            return
        decision = self.cache.decide(str(email.get("address")))
        why = find_objection(decision, self.cache.own_name)
        if why is not None and not self._refuse(why, decision):
            raise self.refusals.error(why)


class RegistrationGate(Part):
    """The part. It works where Synapse itself creates accounts.

    With the Matrix Authentication Service, Synapse does not offer these callbacks: the log says at
    start what is not enforced.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.gate = RegistrationPolicy(context)
        self.is_enforced = self._register()

    def _register(self) -> bool:
        from synapse.module_api.errors import ConfigError  # noqa: PLC0415  # only in Synapse

        guards = Guards(self.refusals, closes_for=lambda _user_id: True)
        callbacks: dict[str, Any] = {
            "is_3pid_allowed": guards.deciding(
                self.gate.is_3pid_allowed,
                otherwise=lambda: self.refusals.is_log_only,
                seconds=ASKING_SECONDS,
            )
        }
        if not self.refusals.is_log_only:
            # Without this callback the person would get the localpart they typed.
            callbacks["get_username_for_registration"] = guards.deciding(
                self.user_name, otherwise=self._refuse
            )
            callbacks["get_displayname_for_registration"] = guards.deciding(
                self.display_name, otherwise=lambda: None
            )
        try:
            self.api.register_password_auth_provider_callbacks(**callbacks)
        except ConfigError:
            logger.warning(NOT_ENFORCED)
            return False
        self.api.register_spam_checker_callbacks(
            check_registration_for_spam=guards.deciding(
                self.second_look, otherwise=self._refuse_or_let_in
            )
        )
        return True

    def _refuse(self) -> None:
        if not self.refusals.is_log_only:
            raise self.refusals.error(RefusalReason.NOT_ALLOWED)

    def _refuse_or_let_in(self) -> Any:
        self._refuse()
        return _allow()

    async def user_name(self, uia_results: Mapping[str, Any], _: Mapping[str, Any]) -> str | None:
        """A localpart that is free, if the scheme is random.

        Any other localpart that is taken is the person's own, and Synapse refuses it.
        """
        for _again in range(MAX_DRAWS):
            name = self.gate.user_name(uia_results)
            if name is None or self.cache.user_id_scheme != Scheme.RANDOM.value:
                break
            user_id = f"@{name}:{self.cache.own_name}"
            if await self.api.check_user_exists(user_id) is None:
                break
        return name

    async def display_name(
        self, uia_results: Mapping[str, Any], _: Mapping[str, Any]
    ) -> str | None:
        return self.gate.display_name(uia_results)

    async def second_look(
        self, email: Mapping[str, Any] | None, _name: str | None, _from: Any, _provider: str | None
    ) -> Any:
        """The callback `check_registration_for_spam`."""
        self.gate.check(email)
        return _allow()


def _allow() -> Any:
    from synapse.spam_checker_api import RegistrationBehaviour  # noqa: PLC0415  # only in Synapse

    return RegistrationBehaviour.ALLOW
