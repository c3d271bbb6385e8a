"""Reads the query parameters of a request strictly: UTF-8 only, each parameter at most once."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from flask import request

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from identity.core.strict_json import is_text
from identity.problems import InvalidEmail, MissingParameter, WrongParameter

from .request_context import services

MAX_QUERY = 8_000  # bytes: room for the longest address with every byte escaped
MAX_PARAMETERS = 50


def required(*names: str) -> list[str]:
    """The values of these parameters; others are ignored.

    Raises MissingParameter, WrongParameter.
    """
    found = optional(*names)
    for name, value in zip(names, found, strict=True):
        if value is None:
            raise _missing(name)
    return [value for value in found if value is not None]


def optional(*names: str) -> list[str | None]:
    """The values of these parameters, None for missing ones. Raises WrongParameter."""
    found = _given(*names)
    for name, value in zip(names, found, strict=True):
        if value is not None and not is_text(value):
            raise WrongParameter(f"The parameter {name} is no text.", field=name)
    return found


def as_sent(name: str) -> str:
    """The value of a parameter, even with NUL, for callers that check it themselves.

    Raises MissingParameter, WrongParameter.
    """
    (found,) = _given(name)
    if found is None:
        raise _missing(name)
    return found


def email_address() -> EmailAddress:
    """The email address in `medium` and `address`; a space in the local part becomes a plus.

    Tchap's older clients send an empty medium or none. Raises InvalidEmail, MissingParameter,
    WrongParameter.
    """
    pairs = _pairs()
    typed = _one(pairs, "address")
    if typed is None:
        raise _missing("address")
    medium = _one(pairs, "medium")
    if medium not in {None, "", "email"}:
        raise WrongParameter("The only medium here is email.")
    try:
        return services.rules.current().read(_with_plus(typed))
    except InvalidAddress as error:
        raise InvalidEmail(str(error)) from None


def _given(*names: str) -> list[str | None]:
    pairs = _pairs()
    return [_one(pairs, name) for name in names]


def _one(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    values = [value for key, value in pairs if key == name]
    if len(values) > 1:
        raise WrongParameter(f"The parameter {name} is given more than once.", field=name)
    return values[0] if values else None


def _missing(name: str) -> MissingParameter:
    return MissingParameter(f"The parameter {name} is missing.")


def _pairs() -> list[tuple[str, str]]:
    query = request.query_string
    if len(query) > MAX_QUERY:
        raise WrongParameter("The query is too long.")
    try:
        # Flask's own `request.args` replaces bytes that are not UTF-8, or fails.
        return parse_qsl(
            query.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise WrongParameter("The query is not UTF-8, or has too many parameters.") from None


def _with_plus(typed: str) -> str:
    """Make spaces in the local part a plus again: clients forget to escape it."""
    local, at, domain = typed.rpartition("@")
    return local.lstrip(" ").replace(" ", "+") + at + domain
