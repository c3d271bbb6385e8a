"""Reads the family of a browser or client (Firefox, Element …) from its User-Agent, no version."""

import re

# The first of these in a User-Agent counts; all begin with "Mozilla", which says nothing.
FAMILIES = re.compile(
    r"\b(Element(?: \w+)?|SchildiChat|Tchap|Edg|OPR|Firefox|FxiOS|CriOS|Chrome|Safari)\b"
)
# These also name Chrome or Safari, before their own name.
LATER = re.compile(r"\b(Edg|OPR)\b")
SHOWN = {"Edg": "Edge", "OPR": "Opera", "FxiOS": "Firefox", "CriOS": "Chrome"}


def family_of(user_agent: str) -> str:
    """The family as people call it; "" if the text names none that we know."""
    found = LATER.search(user_agent) or FAMILIES.search(user_agent)
    return SHOWN.get(found[1], found[1]) if found else ""
