"""Everything we may say no to. The docstring is the message; no HTTP in here."""

from collections.abc import Mapping
from datetime import datetime


class Problem(Exception):
    """Something a person or a program can be told."""

    further: Mapping[str, str | int] = {}
    """What programs are told beside the message."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").strip()


class InvalidEmail(Problem):
    """This is not an email address."""


class MissingParameter(Problem):
    """A parameter is missing."""


class WrongParameter(Problem):
    """A parameter has a value that is not accepted here."""

    def __init__(self, message: str = "", *, field: str = "") -> None:
        super().__init__(*([message] if message else []))
        if field:
            self.further = {"org.guichet.field": field}


class CredentialNeeded(Problem):
    """A homeserver credential is needed here."""


class TooManyRequests(Problem):
    """Too many requests. Try again later."""

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.retry_after = retry_after  # seconds


class Unavailable(Problem):
    """The service cannot answer just now. Nothing was lost; try again in a moment."""


class NoSuchRequest(Problem):
    """This browser has no such request, or it can no longer be used."""


class AddressTaken(Problem):
    """This address already has an account."""


class InvitationNeeded(Problem):
    """An account for this address takes an invitation, and none waits any more."""


class ServerAway(Problem):
    """The homeserver is not answering. The proof of the address is kept."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label


class NameRefused(Problem):
    """The homeserver has another account of that name. Ask for help."""


class WeakPassword(Problem):
    """The password is too easy to guess."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason  # see passwords.Reason


class WrongDisplayName(Problem):
    """This display name cannot be used."""


class BaseMoved(Problem):
    """Somebody published other rules meanwhile. Look at the difference again."""


class NotRestoring(Problem):
    """No backup is being restored."""


class NoSuchRevision(Problem):
    """There is no such revision of the rules."""

    def __init__(self, number: int, newest: int) -> None:
        super().__init__(f"There is no revision {number}: the newest is {newest}.")


class MovesAccounts(Problem):
    """Accounts that are known would belong to another homeserver."""

    def __init__(self, accounts: int) -> None:
        super().__init__(
            f"{accounts} known accounts would belong to another homeserver, while nobody who asks is told "
            "where they are (GUICHET_INFO_PERSON_LEVEL is off)."
        )


class UnknownHomeserver(Problem):
    """No homeserver of this name is registered."""

    def __init__(self, name: str, close: list[str]) -> None:
        hint = f" Close names: {', '.join(close)}." if close else ""
        super().__init__(f"The homeserver {name} is not registered.{hint}")
        self.name = name


class TooManyMails(TooManyRequests):
    """A mail to this address was asked for not long ago. Ask again later."""


class TooManyTries(TooManyRequests):
    """Too many wrong codes. Ask for another mail, with a higher send_attempt."""


class TooManyInvitations(TooManyRequests):
    """This account has invited too many people in a day. Go on later."""


class NoValidSession(Problem):
    """No validation session has this sid and client_secret."""


class SessionExpired(Problem):
    """This validation session has ended: ask for another."""


class SessionNotValidated(Problem):
    """The address of this validation session has not been proved yet."""


class WrongCode(Problem):
    """This is not the code of the newest mail."""


class NotYourself(Problem):
    """The access token belongs to another user ID."""


class NotAllowed(Problem):
    """This is not for you to do."""


class InvitationsPaused(NotAllowed):
    """Several people said that they do not know who invited them: for now, only agents can be invited."""

    def __init__(self, until: datetime) -> None:
        super().__init__(
            "Several people this account invited said that they do not know it. It cannot invite external "
            f"people before {until:%d %B %Y}; agents can be invited as before."
        )
        self.further = {
            "org.guichet.reason": "invitations_paused",
            "org.guichet.until": until.isoformat(timespec="seconds"),
        }


class Stopped(Problem):
    """Those who run the service have stopped this for now."""

    reason = "stopped"
    held_by, label = "", ""
    until: datetime | None = None

    def __init__(self, held_by: str, *, until: datetime | None = None, label: str = "") -> None:
        """`held_by`: what jobs wait for (`leases.hold`). `label`: the homeserver people read."""
        later = f" It is to go on from {until:%Y-%m-%d %H:%M} UTC." if until else ""
        super().__init__((self.__doc__ or "").strip() + later)
        self.held_by, self.until, self.label = held_by, until, label
        self.further = {"org.guichet.reason": self.reason}
        if until is not None:
            self.further = {
                **self.further,
                "org.guichet.until": until.isoformat(timespec="seconds"),
            }


class SignUpsFrozen(Stopped):
    """No accounts are made for now: those who run the service have frozen sign-ups."""

    reason = "sign_ups_frozen"


class InvitationsFrozen(Stopped):
    """Nobody can be invited by mail for now: those who run the service have frozen invitations."""

    reason = "invitations_frozen"


class MailsFrozen(Stopped):
    """No mails leave for now: those who run the service have frozen them."""

    reason = "mails_frozen"


class DomainFrozen(Stopped):
    """Those who run the service have frozen this domain: no sign-ups, no invitations, no mails."""

    reason = "domain_frozen"


class ConsoleFrozen(Stopped):
    """Those who run the service let only admins into the console for now, and their programs."""

    reason = "console_frozen"


class HomeserverHeld(Stopped):
    """Nothing is sent to this homeserver for now: those who run the service hold it."""

    reason = "homeserver_held"


class HomeserverSuspended(Stopped):
    """This homeserver is suspended: neither it nor its people are answered for now."""

    reason = "homeserver_suspended"


class InviterBlocked(Stopped):
    """This account may invite nobody for now: those who run the service have blocked it."""

    reason = "inviter_blocked"


class AccessEnded(NotAllowed):
    """The access of this guest has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.further = {"org.guichet.reason": "access_ended"}


class HomeserverRetired(NotAllowed):
    """This homeserver takes no new accounts any more."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.further = {"org.guichet.reason": "homeserver_retired"}


class NoSuchInvitation(Problem):
    """There is no such invitation, or it is somebody else's."""


class InvitationOver(Problem):
    """This invitation has ended or was taken up: it cannot be changed any more."""


class InvitationHeld(Problem):
    """The room has not taken this invitation yet: its mail leaves by itself as soon as it does."""


class UnknownMedium(Problem):
    """The only medium here is email."""


class UnknownInvitation(Problem):
    """No invitation has this token."""


class AddressBound(Problem):
    """Somebody has this address already: invite the user ID."""

    def __init__(self, user_id: str) -> None:
        super().__init__()
        self.further = {"mxid": user_id}


class WrongServer(Problem):
    """The rules keep this address for another homeserver."""

    def __init__(self, reason: str, homeserver: str | None) -> None:
        there = (
            f"Its people have their accounts on {homeserver}."
            if homeserver
            else "No homeserver takes it."
        )
        super().__init__(f"This address cannot be bound to an ID of that homeserver. {there}")
        self.further = {"org.guichet.reason": reason} | ({"hs": homeserver} if homeserver else {})


class UnreadableBody(Problem):
    """The body of the request is no JSON object."""


class SignedOut(Problem):
    """This access token is not known, or no longer good."""


class TermsNotSigned(Problem):
    """The terms of this service have not been accepted yet."""


class TooMuchAtOnce(Problem):
    """More was asked for at once than is answered."""


class WrongPepper(Problem):
    """This pepper is not, or no longer, in use. Ask for the hash details again."""

    def __init__(self, algorithm: str, pepper: str) -> None:
        super().__init__()
        self.further = {"algorithm": algorithm, "lookup_pepper": pepper}


class KeyUnknown(Problem):
    """No key of this name is here."""


class NotOfFederation(Problem):
    """This homeserver does not belong to the federation."""


class OpenIdRefused(Problem):
    """The homeserver does not know this OpenID token, or no longer."""


class WrongOwner(Problem):
    """The homeserver vouched for a user who is not its own."""


class HomeserverSilent(Problem):
    """The homeserver does not answer, or not as homeservers do. Try again later."""

    def __init__(self, retry_after: int = 30) -> None:
        super().__init__()
        self.retry_after = retry_after  # seconds


class HomeserverBusy(HomeserverSilent):
    """Several requests to this homeserver are under way. Try again in a moment."""


class LastAdmin(Problem):
    """This is the last admin who may sign in. Make another one first."""


class NoSuchOperator(Problem):
    """There is no such operator."""


class NoSuchToken(Problem):
    """There is no such API token."""


class OperatorExists(Problem):
    """An operator has this address already, or a name that reads the same."""


class WrongOperator(Problem):
    """These roles, this scope or this name cannot be given."""


class NotYourOwn(Problem):
    """Nobody changes their own roles, or resets their own app: another admin does."""


class OperatorEnabled(Problem):
    """An operator has this address: guichet ops disable comes first."""


class NotPermitted(Problem):
    """Your role does not allow this."""


class TokenNeeded(Problem):
    """An API token is needed here, as a bearer token that has not ended."""


class RoleNeeded(NotPermitted):
    """The roles of this token do not allow this."""

    further: Mapping[str, str] = {"org.guichet.reason": "role"}


class ScopeNeeded(NotPermitted):
    """This takes a token for the whole federation."""

    further: Mapping[str, str] = {"org.guichet.reason": "scope_needed"}


class SecondFactorNeeded(NotPermitted):
    """This asks for a person and their second factor: do it in the console."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.further = {"org.guichet.reason": "second_factor", "org.guichet.url": url}


class EndsSooner(NotPermitted):
    """It is stopped for longer already. To end that sooner is to lift it."""

    @classmethod
    def check(cls, present: datetime | None, until: datetime | None) -> None:
        """Raises EndsSooner if a stop that ends at `present` would end sooner; None: never."""
        if until is not None and (present is None or until < present):
            raise cls


class NothingHere(Problem):
    """There is nothing of this name, or it lies outside what this token may see."""


class ReasonNeeded(Problem):
    """Say why: the number of a ticket, or a sentence of 10 characters."""

    further: Mapping[str, str] = {"org.guichet.field": "reason"}


class VersionNeeded(Problem):
    """Say in If-Match which version of the draft this is meant for: its ETag."""


class NothingToDo(Problem):
    """It stands so already, or there is nothing left to do about it."""


class KeyReused(Problem):
    """This Idempotency-Key was used for another request within a day."""


class NoSuchChange(Problem):
    """There is no such change."""


class NotNow(Problem):
    """This cannot be done with a change that stands where this one stands."""


class StaleDraft(Problem):
    """Somebody edited this change meanwhile. Look at it again."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self.version = version  # the present one
        self.further = {"org.guichet.version": version}


class OwnApproval(Problem):
    """Nobody approves their own change."""


class TooCloseToApprove(Problem):
    """Whoever invited, raised or reset the other within 30 days may not approve for them."""


class ApprovalNeeded(Problem):
    """This change needs the approval of another person."""


class NotForAgents(Problem):
    """Anybody can have an address at this domain: it cannot be opened to agents here."""


class TargetNotReady(Problem):
    """People would belong to a homeserver that takes nobody just now."""


class UnreadableFile(Problem):
    """This file of rules cannot be read."""


class NoSuchDomainRequest(Problem):
    """There is no such request for a domain."""


class DomainRequestDecided(Problem):
    """Somebody has decided about this request already. Nothing was changed."""

    def __init__(self, label: str, state: str, by: str | None = None) -> None:
        said = f"{label} is {state}" + (f", by {by}" if by else "")
        super().__init__(f"{said}. Nothing was changed.")
        self.state, self.by = state, by


class DomainLooksAlike(Problem):
    """This domain cannot be told from another one at a glance. Type it once more to open it."""

    def __init__(self, domain: str, others: list[str]) -> None:
        super().__init__(
            f"{domain} cannot be told from {', '.join(others)} at a glance. Type {domain} to open it."
        )
        self.others = others
