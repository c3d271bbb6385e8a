"""Masks a mail server's reply so that it can be stored: one line without address, code or link."""

import re

MAX_CHARACTERS = 300
NO_BREAK = re.compile(r"[\x00-\x20\x7f\u0080-\u009f]+")
ADDRESS = re.compile(r"[^\s<>()\[\]:,;\"']+@[^\s<>()\[\]:,;\"']+")
CODE = re.compile(r"(?<!\w)(?<!\d\.)\d{3}[ \u00a0]?\d{3}(?!\w|\.\d)")
LINK_TOKEN = re.compile(r"(/[a-z]/)[\w.-]{16,}")


def mask_reply(code: int, text: str, *, to: str) -> str:
    """A reply as operators may read it.

    `to`: the mail's recipient, whose local part is masked too.
    """
    said = NO_BREAK.sub(" ", text).strip()
    said = LINK_TOKEN.sub(r"\1…", said)
    said = ADDRESS.sub("…@…", said)
    local = to.rpartition("@")[0]
    if local:
        said = re.sub(rf"(?<!\w){re.escape(local)}(?!\w)", "…", said, flags=re.IGNORECASE)
    said = CODE.sub("…", said)
    said = said if len(said) <= MAX_CHARACTERS else f"{said[:MAX_CHARACTERS]}…"
    return f"{code} {said}".strip() if code > 0 else said
