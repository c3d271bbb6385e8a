"""Reads single entries of a federation file: one homeserver, one rule."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.local_parts import EXTRA_SIGNS
from domain_rules.located import Located
from domain_rules.reasons import reason
from domain_rules.rule import AccountClass, InvalidRule, Rule, RuleKind, order_signs
from domain_rules.user_ids import Scheme

CONNECTORS = frozenset({"none", "synapse"})
CLASS_SOURCES = frozenset({"agent", "guest", "by_person"})
MAX_NAME = 230  # a user ID has at most 255 bytes, the localpart included
NOT_IN_A_SERVER_NAME = frozenset(" /@#?")
PATTERN_KEYS = frozenset({"address", "domain", "suffix", "default"})
RULE_KEYS = PATTERN_KEYS | {
    *("homeserver", "protected_homeserver", "class", "organisation", "sibling_of"),
    *("requires_invite", "moved_from", "moving_until", "note", "valid_from", "valid_until"),
    "extra_signs",
}
URLS = ("url", "federation_url", "base_url", "client_url", "phone_url")
HOMESERVER_KEYS = frozenset(
    {
        *URLS,
        *("name", "label", "guests", "connector"),
        *("ca_file", "registration_secret_file", "admin_token_file"),
        *("user_id_scheme", "class_source"),
    }
)


@dataclass(frozen=True, slots=True)
class HomeserverEntry:
    """One homeserver of the file. Secrets are named by file and not read.

    None stands for the default.
    """

    line: int
    name: str
    url: str
    label: str = ""
    guests: bool = False
    connector: str = "none"
    federation_url: str | None = None
    base_url: str | None = None
    client_url: str | None = None
    phone_url: str | None = None
    ca_file: str | None = None
    registration_secret_file: str | None = None
    admin_token_file: str | None = None
    user_id_scheme: Scheme | None = None
    class_source: str | None = None


def read_homeserver(entry: Located) -> HomeserverEntry | None:
    """The homeserver, or None with the faults recorded in the entry."""
    entry.check_keys(HOMESERVER_KEYS)
    name, url = entry.text("name"), entry.text("url")
    if name is None or not _is_server_name(name):
        entry.add_fault("name", reason("no_server_name"))
    scheme = entry.word("user_id_scheme", [scheme.value for scheme in Scheme])
    urls = {key: _url(entry, key) for key in URLS}
    if url is None:
        entry.add_fault("url", reason("no_url"))
    found = HomeserverEntry(
        line=entry.line,
        name=name or "",
        url=urls["url"] or "",
        label=entry.text("label") or "",
        guests=entry.flag("guests") or False,
        connector=entry.word("connector", CONNECTORS) or "none",
        federation_url=urls["federation_url"],
        base_url=urls["base_url"],
        client_url=urls["client_url"],
        phone_url=urls["phone_url"],
        ca_file=entry.text("ca_file"),
        registration_secret_file=entry.text("registration_secret_file"),
        admin_token_file=entry.text("admin_token_file"),
        user_id_scheme=Scheme(scheme) if scheme else None,
        class_source=entry.word("class_source", CLASS_SOURCES),
    )
    return None if entry.faults else found


def _url(entry: Located, key: str) -> str | None:
    url = entry.text(key)
    if url and not url.startswith(("https://", "http://")):
        entry.add_fault(key, reason("wrong_url", key=key))
    return url


def _is_server_name(name: str) -> bool:
    """Whether it may be a server name, with or without port; details are left to Matrix."""
    is_plain = name.isascii() and name.isprintable() and not NOT_IN_A_SERVER_NAME.intersection(name)
    return is_plain and len(name) <= MAX_NAME


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads rules that may name these homeservers.

    `homeservers` are those of the same file, `known` the names of registered ones. `never_agent`
    says why a domain may not be opened to agents.
    """

    homeservers: Mapping[str, HomeserverEntry]
    known: Collection[str]
    never_agent: Callable[[str], str | None]

    def read(self, entry: Located) -> Rule | None:
        """The rule, or None with the faults recorded in the entry."""
        entry.check_keys(RULE_KEYS)
        kind, pattern = _pattern(entry)
        homeserver = self._homeserver(entry, "homeserver")
        account_class = self._class(entry, kind, homeserver)
        requires_invite = entry.flag("requires_invite")
        is_guests = account_class is AccountClass.GUEST
        facts = {
            "protected_homeserver": self._homeserver(entry, "protected_homeserver"),
            "organisation": entry.text("organisation") or "",
            "sibling_of": _domain(entry, "sibling_of"),
            "moved_from": entry.texts("moved_from"),
            "moving_until": entry.moment("moving_until"),
            "note": entry.text("note") or "",
            "valid_from": entry.moment("valid_from"),
            "valid_until": entry.moment("valid_until"),
            "extra_signs": _extra_signs(entry),
        }
        if facts["sibling_of"] is None:
            self._check_openable(entry, kind, pattern, account_class)
        elif facts["sibling_of"] == pattern:
            entry.add_fault("sibling_of", reason("own_sibling"))
        if entry.faults or kind is None:
            return None
        try:
            return Rule(
                kind,
                pattern,
                account_class,
                homeserver,
                requires_invite=is_guests if requires_invite is None else requires_invite,
                **facts,  # type: ignore[arg-type]  # each read by its own type above
            )
        except InvalidRule as error:
            entry.add_fault(None, error.args[0])
            return None

    def _homeserver(self, entry: Located, key: str) -> str | None:
        name = entry.text(key)
        everyone = {*self.homeservers, *self.known}
        if name and name not in everyone:
            near = get_close_matches(name, sorted(everyone))
            why = (
                reason("unknown_homeserver_near", near=", ".join(near))
                if near
                else reason("unknown_homeserver")
            )
            entry.add_fault(key, why)
        return name

    def _class(self, entry: Located, kind: RuleKind | None, homeserver: str | None) -> AccountClass:
        """As written; else guest for the default and on guests' homeservers, else agent."""
        written = entry.word("class", [each.value for each in AccountClass])
        if written:
            return AccountClass(written)
        server = self.homeservers.get(homeserver or "")
        is_guests = kind is RuleKind.DEFAULT or (server is not None and server.guests)
        return AccountClass.GUEST if is_guests else AccountClass.AGENT

    def _check_openable(
        self, entry: Located, kind: RuleKind | None, pattern: str, account_class: AccountClass
    ) -> None:
        if account_class is not AccountClass.AGENT:
            return
        if kind is RuleKind.DEFAULT:
            entry.add_fault("class", reason("default_for_agents"))
        if kind is RuleKind.ADDRESS and not pattern.isascii():
            entry.add_fault("address", reason("accented_agent"))
        if kind in {RuleKind.DOMAIN, RuleKind.SUFFIX} and pattern:
            why = self.never_agent(pattern)
            if why:
                entry.add_fault(kind.value if kind else None, why)


def _pattern(entry: Located) -> tuple[RuleKind | None, str]:
    present = sorted(key for key in PATTERN_KEYS if entry.content.get(key) is not None)
    if len(present) != 1:
        entry.add_fault(None, reason("no_pattern"))
        return None, ""
    kind = RuleKind(present[0])
    if kind is RuleKind.DEFAULT:
        if entry.flag("default") is False:
            entry.add_fault("default", reason("no_default"))
        return kind, ""
    if kind is RuleKind.ADDRESS:
        return kind, _address(entry)
    return kind, _domain(entry, kind.value) or ""


def _extra_signs(entry: Located) -> str:
    text = "".join((entry.text("extra_signs") or "").split())
    if set(text) - set(EXTRA_SIGNS):
        entry.add_fault("extra_signs", reason("wrong_signs", known=" ".join(EXTRA_SIGNS)))
    return order_signs(text)


def _address(entry: Located) -> str:
    text = entry.text("address")
    try:
        return EmailAddress.parse(text or "", smtputf8=True).canonical
    except InvalidAddress as error:
        entry.add_fault("address", error.sentence)
        return ""


def _domain(entry: Located, key: str) -> str | None:
    text = entry.text(key)
    try:
        return parse_domain(text) if text else None
    except InvalidAddress as error:
        entry.add_fault(key, error.sentence)
        return None
