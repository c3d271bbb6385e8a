"""Mails as the folder of a service at home holds them."""

from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path


def keep_mail(folder: Path, message: EmailMessage) -> None:
    """Put a mail there, as it stands."""
    folder.mkdir(parents=True, exist_ok=True)
    moment = parsedate_to_datetime(message["Date"])
    own_id = message["Message-ID"].strip("<>").partition("@")[0]
    (folder / f"{moment:%Y%m%dT%H%M%SZ}-{own_id}.eml").write_bytes(message.as_bytes())
