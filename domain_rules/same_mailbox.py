"""Mail services that deliver several spellings of an address to one mailbox.

Without this list, one more dot would get around a limit or a refusal. It holds only what the
services' own help pages say: if a service were listed wrongly, two people would share their limits.
What follows a plus is left out everywhere (see `EmailAddress.mailbox_key`).
"""

from typing import NamedTuple


class MailService(NamedTuple):
    """`domain` stands for all domains of the service.

    `unread`: characters it ignores. `tag`: what begins a tag, beside the plus.
    """

    domain: str
    unread: str = ""
    tag: str = ""


# https://support.google.com/mail/answer/7436150 (dots) and /10313 (googlemail.com)
GMAIL = MailService("gmail.com", unread=".")
# https://support.apple.com/118230: owners of an older address have the same name at icloud.com.
ICLOUD = MailService("icloud.com")

SERVICES = {
    "gmail.com": GMAIL,
    "googlemail.com": GMAIL,
    "icloud.com": ICLOUD,
    "me.com": ICLOUD,
    "mac.com": ICLOUD,
    # Yahoo's help on disposable addresses: a base name, a hyphen and a keyword. Other names have
    # no hyphen.
    **{
        domain: MailService(domain, tag="-")
        for domain in ("yahoo.com", "yahoo.fr", "yahoo.co.uk", "yahoo.de", "ymail.com")
    },
}


def fold_mailbox(name: str, ascii_domain: str) -> str:
    """The one address that stands for all spellings of a mailbox.

    `name`: the local part without a plus and what follows it.
    """
    service = SERVICES.get(ascii_domain)
    if service is None:
        return f"{name}@{ascii_domain}"
    base = name.partition(service.tag)[0] if service.tag else name
    for sign in service.unread:
        base = base.replace(sign, "")
    return f"{base or name}@{service.domain}"
