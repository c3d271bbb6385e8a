"""Large mail services that put several spellings of an address into one mailbox, as their own help pages say.

Without this list anybody could get past a limit or a refusal with a dot more. It is short on purpose: of a
service that is wrongly in it, two people would share their limits. What follows a plus is left out
everywhere (see `EmailAddress.mailbox_key`).
"""

from typing import NamedTuple


class Service(NamedTuple):
    """`domain` stands for all its domains. `unread`: signs it reads past; `tag`: what begins a tag, beside the plus."""

    domain: str
    unread: str = ""
    tag: str = ""


# https://support.google.com/mail/answer/7436150 (dots) and /10313 (the name of the service in Germany)
GMAIL = Service("gmail.com", unread=".")
# https://support.apple.com/118230: who has the older address has the same name at the newer one.
ICLOUD = Service("icloud.com")

SERVICES = {
    "gmail.com": GMAIL,
    "googlemail.com": GMAIL,
    "icloud.com": ICLOUD,
    "me.com": ICLOUD,
    "mac.com": ICLOUD,
    # Yahoo's help on disposable addresses: a base name, a hyphen and a keyword; no other name has a hyphen.
    **{
        domain: Service(domain, tag="-")
        for domain in ("yahoo.com", "yahoo.fr", "yahoo.co.uk", "yahoo.de", "ymail.com")
    },
}


def folded(name: str, ascii_domain: str) -> str:
    """The one address that stands for all spellings of a mailbox. `name`: before the @, without a plus and its tag."""
    service = SERVICES.get(ascii_domain)
    if service is None:
        return f"{name}@{ascii_domain}"
    base = name.partition(service.tag)[0] if service.tag else name
    for sign in service.unread:
        base = base.replace(sign, "")
    return f"{base or name}@{service.domain}"
