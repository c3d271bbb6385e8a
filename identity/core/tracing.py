"""Which request or job is being worked on: its id, the id under which it all began, and its facts.

A request gets an id. What follows from it later, in other requests and in the worker, carries that
first id as `trace_id`, so that one id finds everything: rows of the outbox and of mails store it,
and so do requests for verification. The facts go into the one line that each request and each job
leaves in the log.
"""

import re
import secrets
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

# No dot, slash or @: the log would take it for a token, a link or an address.
WELL_FORMED: Final = re.compile(r"[0-9A-Za-z-]{8,64}")


@dataclass
class Trace:
    """What is worked on. `request_id`: None in the worker, and in commands."""

    request_id: str | None
    trace_id: str | None
    facts: dict[str, Any] = field(default_factory=dict)


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def new_id() -> str:
    """A fresh id: 16 hexadecimal digits, which one can read out on the telephone."""
    return secrets.token_hex(8)


def begin_request(request_id: str) -> None:
    """A request begins in this thread. It ends when the next one begins."""
    _current.set(Trace(request_id, request_id))


@contextmanager
def job(trace_id: str | None) -> Iterator[Trace]:
    """A job is carried out in this block, for what began with `trace_id`."""
    trace = Trace(None, trace_id)
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


def follow(trace_id: str | None) -> None:
    """The current request goes on with something that began under this id."""
    trace = _current.get()
    if trace is not None and trace_id:
        trace.trace_id = trace_id


def note(**facts: Any) -> None:
    """Add facts to the line in the log. Never an address: see `Services.mark_of`."""
    trace = _current.get()
    if trace is not None:
        trace.facts.update(facts)


def facts() -> dict[str, Any]:
    """The facts that were noted."""
    trace = _current.get()
    return trace.facts if trace is not None else {}


def request_id() -> str | None:
    """The id of the current request; None outside of one."""
    trace = _current.get()
    return trace.request_id if trace is not None else None


def trace_id() -> str | None:
    """The id under which this began; the default of columns that store it."""
    trace = _current.get()
    return trace.trace_id if trace is not None else None


def add_ids(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor of structlog: every line of the log carries the ids."""
    trace = _current.get()
    if trace is not None:
        if trace.request_id:
            event["request_id"] = trace.request_id
        if trace.trace_id:
            event["trace_id"] = trace.trace_id
    return event
