"""How a mail leaves: to the relay, or to a folder where there is none."""

from email.message import EmailMessage
from typing import Protocol
from urllib.parse import urlsplit

from identity.settings import Settings

from .folder import FolderMailer, StoredMail, read_folder
from .outcomes import NotSent
from .relay import SmtpMailer
from .relay_url import read_relay_url, wrong

__all__ = [
    "FolderMailer",
    "Mailer",
    "NotSent",
    "SmtpMailer",
    "StoredMail",
    "make_mailer",
    "read_folder",
]


class Mailer(Protocol):
    """Hands over one mail at a time."""

    def send(self, message: EmailMessage, *, envelope_from: str, to: str) -> str:
        """Hand the mail to `to` and nobody else; returns what the other side said last. Raises NotSent."""

    def probe(self) -> None:
        """Returns if mails could be handed over now. Raises NotSent."""

    def close(self) -> None:
        """End what was kept open for further mails."""


def make_mailer(settings: Settings) -> Mailer:
    """As GUICHET_SMTP_URL says. Raises WrongSettings."""
    if settings.smtp_url is None:
        return FolderMailer(settings.mail_dir)
    relay = read_relay_url(settings.smtp_url.get_secret_value())
    host = urlsplit(settings.public_url).hostname or "localhost"
    hello = f"[{host}]" if host.replace(".", "").isdigit() else host
    try:
        return SmtpMailer(relay, hello=hello)
    except OSError:
        raise wrong("ca_file cannot be read as certificates") from None
