"""What a browser or a client calls itself: its family, never a version or an address."""

import re

# The first that a User-Agent names; "Mozilla" says nothing.
FAMILIES = re.compile(
    r"\b(Element(?: \w+)?|SchildiChat|Tchap|Edg|OPR|Firefox|FxiOS|CriOS|Chrome|Safari)\b"
)
# Those that name Chrome or Safari beside themselves come after it in the text.
LATER = re.compile(r"\b(Edg|OPR)\b")
SHOWN = {"Edg": "Edge", "OPR": "Opera", "FxiOS": "Firefox", "CriOS": "Chrome"}


def family(user_agent: str) -> str:
    """As people call it; "" where the text says nothing that we know."""
    found = LATER.search(user_agent) or FAMILIES.search(user_agent)
    return SHOWN.get(found[1], found[1]) if found else ""
