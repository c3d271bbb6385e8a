"""Logs: one line an event, on stderr, JSON outside a terminal. No address, token or code in them."""

import logging
import logging.config
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog

# A link's token is cut to four characters, here as in the sample proxy configuration: behind the path of
# a link, and wherever else something of its shape stands, with letters written as %XX too.
LETTER = r"(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9_-])"
LINK = re.compile(
    rf"(/+(?:[virdn]|%[67][0-9a-f])(?:/|%2f|\\./)+{LETTER}{{4}})(?:{LETTER}|\.)+", re.IGNORECASE
)
TOKEN = re.compile(rf"({LETTER}{{4}}){LETTER}{{18,}}(?:\.|%2e){LETTER}{{27,}}", re.IGNORECASE)
# Clients and homeservers show tokens in queries; the secret of a session stands there too.
QUERY = re.compile(r"\b((?:access_token|client_secret|token|sid)=)[^\s&\"']+")
ADDRESS = re.compile(r"[^\s\"'<>@=/(\[]{1,64}@(?:[\w-]{1,63}\.)+[\w-]{2,63}")


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """Take mailed tokens and addresses out of every text of an event, tracebacks included."""
    return {key: hide(value) if isinstance(value, str) else value for key, value in event.items()}


def hide(text: str) -> str:
    """The text without the tokens and addresses in it."""
    for secret in (LINK, TOKEN, QUERY):
        text = secret.sub(r"\1…", text)
    return ADDRESS.sub("(address)", text)


def set_up(level: int = logging.INFO) -> None:
    """Route the logs of this process, and of the libraries in it, through one formatter."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: Any = (
        structlog.dev.ConsoleRenderer(
            colors=False, exception_formatter=structlog.dev.plain_traceback
        )
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            last,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # gunicorn has handlers of its own, and writes request lines whole when it cannot read them.
    web = logging.getLogger("gunicorn.error")
    web.handlers[:], web.propagate = [], True
    for noisy in ("celery.app.trace", "celery.worker.strategy", "celery.beat"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
