"""Logs: one line per event on stderr, as JSON or as text, without addresses and tokens."""

import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import structlog

from . import tracing

# The token of a mailed link is cut to four characters, as in the sample proxy configuration: after
# the path of a link and anywhere else in the same form, also with %XX escapes.
LETTER = r"(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9_-])"
LINK = re.compile(
    rf"(/+(?:[virdn]|%[67][0-9a-f])(?:/|%2f|\\./)+{LETTER}{{4}})(?:{LETTER}|\.)+", re.IGNORECASE
)
TOKEN = re.compile(rf"({LETTER}{{4}}){LETTER}{{18,}}(?:\.|%2e){LETTER}{{27,}}", re.IGNORECASE)
# Queries of clients and homeservers contain tokens and the secrets of validation sessions.
QUERY = re.compile(r"\b((?:access_token|client_secret|token|sid)=)[^\s&\"']+")
# A local part may hold ' = / and more; in URLs the @ is escaped.
ADDRESS = re.compile(
    r"[^\s\"<>@(\[:,;?]{1,200}(?:@|%40)(?:[\w-]{1,63}\.)+[\w-]{2,63}", re.IGNORECASE
)
# Their IDs are made from addresses. Faults of a database name the values that were refused.
USER_ID = re.compile(r"(?:@|%40)[^\s:@\"]{1,255}?(?::|%3A)[\w\[][\w.:\]-]{0,230}", re.IGNORECASE)
# A text without any of these signs holds nothing of the above.
SUSPICIOUS = re.compile(r"[@/=.%]")
# What lines of requests and jobs have beside their message, see tracing.py.
FIELDS = (
    *("listener", "route", "method", "status", "ms", "homeserver", "address", "client"),
    *("kind", "job", "lane", "attempt", "outcome", "mail", "template", "provider"),
    *("sqlstate", "run"),
)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Remove tokens and addresses from every text of an event, tracebacks included."""
    return {key: hide(value) if isinstance(value, str) else value for key, value in event.items()}


def hide(text: str) -> str:
    """The text without tokens and addresses."""
    if not SUSPICIOUS.search(text):
        return text
    for secret in (LINK, TOKEN, QUERY):
        text = secret.sub(r"\1…", text)
    return USER_ID.sub("(user)", ADDRESS.sub("(address)", text))


class RequestLine(logging.LogRecord):
    """The record of a request, which holds names and numbers of ours only: nothing to take out.

    It does not say where in the code it is made: to find that out costs more than the line.
    """

    def __init__(self, log: logging.Logger, common: "Labels", facts: Mapping[str, Any]) -> None:
        """`common`: what many requests have alike, of which there are not many."""
        now = time.time()
        own = {"name": log.name, "created": now, "msecs": now % 1 * 1000}
        self.__dict__ = {**BLANK, **own, **dict(common), **facts}
        self.common, self.facts = common, facts

    def as_json(self) -> str:
        """The line."""
        written = datetime.fromtimestamp(self.created, UTC).isoformat(timespec="microseconds")[:-6]
        rest = {**self.facts, "timestamp": f"{written}Z"}
        tracing.add_ids(None, "", rest)
        return f"{_beginning(self.name, self.common)}, {json.dumps(rest)[1:]}"


BLANK: Final = vars(logging.LogRecord("", logging.INFO, "", 0, "request", None, None))
Labels = tuple[tuple[str, str | int], ...]


@lru_cache(maxsize=2_000)
def _beginning(logger: str, common: Labels) -> str:
    line = {"event": "request", "logger": logger, "level": "info", **dict(common)}
    return json.dumps(line)[:-1]


class Formatter(structlog.stdlib.ProcessorFormatter):
    """The formatter of all logs, with a short way for the lines of requests, of which most are."""

    writes_json = True

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        if isinstance(record, RequestLine) and self.writes_json:
            return record.as_json()
        return super().format(record)


Format = Literal["json", "text"]


def set_up(form: Format | None = None, *, level: int = logging.INFO) -> None:
    """Send all logs of this process, those of libraries included, through one formatter.

    `form`: GUICHET_LOG_FORMAT; see `make_handler`.
    """
    root = logging.getLogger()
    root.handlers[:] = [make_handler(form)]
    root.setLevel(level)
    # gunicorn has its own handlers, and logs request lines it cannot read, with their tokens.
    web = logging.getLogger("gunicorn.error")
    web.handlers[:], web.propagate = [], True
    for noisy in ("celery.app.trace", "celery.worker.strategy", "celery.beat"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def make_handler(form: Format | None = None) -> logging.Handler:
    """The handler that writes to stderr. It is also that of granian, by `command/web_log.json`.

    Without `form`, the variable GUICHET_LOG_FORMAT decides; without that, a terminal gets text.
    """
    chosen = form or os.environ.get("GUICHET_LOG_FORMAT")
    is_text = chosen == "text" or (chosen != "json" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        tracing.add_ids,
        structlog.stdlib.ExtraAdder(FIELDS),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any = (
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
        if is_text
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    formatter = Formatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            last,
        ],
    )
    formatter.writes_json = not is_text
    handler.setFormatter(formatter)
    return handler
