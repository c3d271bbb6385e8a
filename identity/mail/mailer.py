"""The way mails leave: to an SMTP relay, or into a folder if no relay is set."""

from email.message import EmailMessage
from typing import Protocol
from urllib.parse import urlsplit

from identity.settings import Settings

from .folder import FolderMailer
from .relay import SmtpMailer
from .relay_url import read_relay_url, wrong_smtp_url


class Mailer(Protocol):
    """Hands over one mail at a time."""

    def send(self, message: EmailMessage, *, envelope_from: str, to: str) -> str:
        """Hand the mail to `to` and nobody else; returns the other side's reply. Raises NotSent."""

    def probe(self) -> None:
        """Return if mails could be handed over now. Raises NotSent."""

    def close(self) -> None:
        """Close the connection that is held open for further mails."""


def make_mailer(settings: Settings) -> Mailer:
    """The mailer that GUICHET_SMTP_URL asks for. Raises WrongSettings."""
    if settings.smtp_url is None:
        return FolderMailer(settings.mail_dir)
    relay = read_relay_url(settings.smtp_url.get_secret_value())
    host = urlsplit(settings.public_url).hostname or "localhost"
    hello = f"[{host}]" if host.replace(".", "").isdigit() else host
    try:
        return SmtpMailer(relay, hello=hello)
    except OSError:
        raise wrong_smtp_url("ca_file cannot be read as certificates") from None
