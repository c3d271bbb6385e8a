"""Reads files given to a command: UTF-8 text, secrets and certificates, of limited size."""

from pathlib import Path

import click
from cryptography import x509
from pydantic import SecretStr

from .outcomes import Failure

MAX_BYTES = 10_000_000
START = 1_000  # bytes looked at to guess an encoding
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def read_text(path: Path) -> str:
    """The text of a file, without a byte order mark. Raises Failure if too long or not UTF-8."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise Failure(f"{path}: longer than 10 MB; split it")
    if b"\0" in content[:START]:
        raise Failure(f"{path}: it is not UTF-8; {_conversion(content)}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Failure(f"{path}: line {line} is not UTF-8; {_conversion(content)}") from error


def _conversion(content: bytes) -> str:
    """How to convert a file that is not UTF-8."""
    start = content[:START]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start:
        return "it looks like UTF-16; convert it first: iconv -f UTF-16 -t UTF-8"
    return "if it comes from Windows, convert it first: iconv -f WINDOWS-1252 -t UTF-8"


def read_secret(path: Path | None) -> SecretStr | None:
    """The secret in a file, without blanks around it. Raises Failure unless it is one line."""
    if path is None:
        return None
    text = read_text(path).strip()
    if not text or "\n" in text:
        raise Failure(f"{path}: one line with the secret is wanted")
    return SecretStr(text)


def read_certificate(path: Path | None) -> str | None:
    """The certificates in a PEM file. Raises Failure if there are none."""
    if path is None:
        return None
    text = read_text(path)
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise Failure(f"{path}: no certificate in PEM stands there")
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise Failure(f"{path}: what stands there is no certificate") from error
    return text
