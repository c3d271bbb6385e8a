"""Registers homeservers and issues the credentials with which they call Guichet."""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy.orm import Session

from domain_rules.rule import AccountClass, Rule, RuleKind
from domain_rules.user_ids import Scheme
from identity.client_links import check_template
from identity.core import journal
from identity.core.journal import Actor
from identity.core.sealing import PublicHalf
from identity.problems import Problem, UnknownHomeserver
from identity.routing import models as rules
from identity.settings import is_loopback

from . import credentials, models as homeservers, secrets as homeserver_secrets
from .models import GUEST, Homeserver

# Matrix specification, appendix "Server name": a host name, an IPv4 address or [IPv6], and a port.
MAX_LABEL = 100  # characters
MAX_NAMED = 5  # rules
SERVER_NAME = re.compile(r"(?:[0-9A-Za-z.-]{1,220}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


class HomeserverExists(Problem):
    """A homeserver of this name is registered already; it stays as it is."""


class WrongHomeserver(Problem):
    """What is said of this homeserver cannot be."""


@dataclass(frozen=True)
class NewHomeserver:
    """A homeserver to be registered. None means the default."""

    name: str
    url: str
    label: str = ""
    guests: bool = False
    connector: str = "none"
    registration_secret: SecretStr | None = None
    admin_token: SecretStr | None = None
    federation_url: str | None = None
    base_url: str | None = None
    client_url: str | None = None
    phone_url: str | None = None
    ca_pem: str | None = None
    user_id_scheme: str | None = None
    class_source: str | None = None
    insecure: bool = False  # for tests


def register(
    session: Session, public: PublicHalf, now: datetime, new: NewHomeserver, who: Actor
) -> Homeserver:
    """Register a homeserver.

    Raises WrongHomeserver or HomeserverExists and changes nothing then.
    """
    _check(new)
    label = label_of(new.label) if new.label else new.name
    client_url, phone_url = (
        template_of(template, what) if template else None
        for template, what in ((new.client_url, "the client URL"), (new.phone_url, "the phone URL"))
    )
    if homeservers.find(session, new.name) is not None:
        raise HomeserverExists(
            f"The homeserver {new.name} is registered already; nothing was changed."
        )
    made = Homeserver(
        name=new.name,
        url=origin_of(new.url, "the URL"),
        federation_url=origin_of(new.federation_url, "the federation URL")
        if new.federation_url
        else None,
        base_url=origin_of(new.base_url, "the base URL") if new.base_url else None,
        ca_pem=new.ca_pem,
        label=label,
        connector=new.connector,
        # Guests' addresses are often private: public user IDs are not made from them.
        user_id_scheme=new.user_id_scheme or str(Scheme.RANDOM if new.guests else Scheme.ADDRESS),
        class_source=new.class_source or (GUEST if new.guests else "agent"),
        client_url=client_url,
        phone_url=phone_url,
        insecure=new.insecure,
        created_at=now,
    )
    if new.registration_secret and new.admin_token:
        homeserver_secrets.seal_secret(public, made, "registration_secret", new.registration_secret)
        homeserver_secrets.seal_secret(public, made, "admin_token", new.admin_token)
    session.add(made)
    session.flush()
    facts = {"url": made.url, "guests": made.is_for_guests, "connector": made.connector}
    if made.insecure:
        facts["insecure"] = True
    journal.write(session, now, who, action="homeserver.add", subject=made.name, facts=facts)
    return made


def issue_credential(
    session: Session, now: datetime, name: str, who: Actor, *, overlap: timedelta = timedelta()
) -> str:
    """Make a new credential for a homeserver; its others stay valid for `overlap`.

    Raises UnknownHomeserver.
    """
    if homeservers.find(session, name) is None:
        known = [homeserver.name for homeserver in homeservers.find_all(session)]
        raise UnknownHomeserver(name, difflib.get_close_matches(name, known))
    retired = credentials.retire(session, homeserver=name, at=now + overlap)
    token = credentials.issue(session, now, homeserver=name)
    facts = {"retired": retired, "until": (now + overlap).isoformat()} if retired else {}
    journal.write(session, now, who, action="homeserver.credential", subject=name, facts=facts)
    return token


def default_rule_for(session: Session, homeserver: Homeserver) -> Sequence[Rule]:
    """The default rule that comes with the first homeserver for guests; empty if there is one."""
    has_default = any(
        rule.kind is RuleKind.DEFAULT for rule in rules.load(session, rules.current_number(session))
    )
    if has_default or not homeserver.is_for_guests:
        return ()
    return (Rule(RuleKind.DEFAULT, "", AccountClass.GUEST, homeserver.name, requires_invite=True),)


def rules_naming(session: Session, name: str) -> list[str]:
    """The patterns of the rules in force that lead to this homeserver, sorted."""
    found = rules.load(session, rules.current_number(session))
    return sorted(
        str(rule.pattern or "the default rule")
        for rule in found
        if name in {rule.homeserver, rule.protected_homeserver}
    )


def is_clear_text(url: str) -> bool:
    """Whether requests to this URL can be read on the way: no TLS, and not this machine."""
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname)


def _check(new: NewHomeserver) -> None:
    if not SERVER_NAME.fullmatch(new.name):
        raise WrongHomeserver(
            f"{new.name!r} is no server name: host or host:port, for example agents.example.org"
        )
    check_way(new.name, origin_of(new.url, "the URL"), new.connector)
    if new.guests and new.class_source not in {None, GUEST}:
        raise WrongHomeserver(
            f"{new.name}: a homeserver for guests has the class source guest, not {new.class_source}"
        )
    check_kind(
        new.name,
        new.connector,
        has_secret=[bool(new.registration_secret), bool(new.admin_token)],
    )


def check_way(name: str, url: str, connector: str) -> None:
    """Raises WrongHomeserver if secrets would be sent in the clear."""
    if connector != "none" and is_clear_text(url):
        raise WrongHomeserver(
            f"{name}: the connector {connector} sends secrets and passwords, which {url} would carry "
            "in the clear; use https:// (with --ca-file for an authority of your own), or a loopback address"
        )


def check_kind(name: str, connector: str, *, has_secret: Sequence[bool]) -> None:
    """Raises WrongHomeserver unless it has both secrets, or for a connector without any, none."""
    if connector == "synapse" and not all(has_secret):
        raise WrongHomeserver(
            f"{name}: the connector synapse needs both a registration secret and an administration token"
        )
    if connector != "synapse" and any(has_secret):
        raise WrongHomeserver(f"{name}: secrets are for the connector synapse only")


def check_class(session: Session, name: str, class_source: str) -> None:
    """Raises WrongHomeserver if the rules in force make people there what nobody may be there."""
    against = {"agent": AccountClass.GUEST, GUEST: AccountClass.AGENT}.get(class_source)
    found = [
        rule.name
        for rule in rules.load(session, rules.current_number(session))
        if rule.account_class is against and name in {rule.homeserver, rule.protected_homeserver}
    ]
    if against is not None and found:
        raise WrongHomeserver(
            f"{name}: with the class source {class_source} everybody there would be "
            f"{'an agent' if class_source == 'agent' else 'a guest'}, but {len(found)} rules make "
            f"{against.value}s there ({', '.join(sorted(found)[:MAX_NAMED])}); change these rules first, "
            "or use the class source by_person"
        )


def label_of(label: str) -> str:
    """The name people read, without blanks around it. Raises WrongHomeserver."""
    label = label.strip()
    if not label or not label.isprintable() or len(label) > MAX_LABEL:
        raise WrongHomeserver(
            f"the label is what people read, also in subjects of mails: one line of {MAX_LABEL} "
            "characters at most, and not empty"
        )
    return label


def template_of(template: str, what: str) -> str:
    """Where people open their client: a link on pages and in mails. Raises WrongHomeserver."""
    try:
        return check_template(template)
    except ValueError as error:
        raise WrongHomeserver(f"{what} {error}") from None


def origin_of(url: str, what: str) -> str:
    """The URL without a trailing slash. Raises WrongHomeserver if it has a path, query or user."""
    try:
        parts = urlsplit(url)
        is_origin = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_origin = False
    else:
        is_origin = is_origin and parts.path in {"", "/"} and "@" not in parts.netloc
        is_origin = is_origin and not (parts.query or parts.fragment) and url.isprintable()
    if not is_origin:
        raise WrongHomeserver(
            f"{what} must begin with http:// or https:// and have no path, "
            "for example https://matrix.example.org"
        )
    return url.rstrip("/")
