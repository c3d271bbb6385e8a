"""What a browser or client is called by the people who use it."""

import re

# The first that a User-Agent names; "Mozilla" says nothing.
FAMILIES = re.compile(r"\b(Element(?: \w+)?|SchildiChat|Tchap|Edg|Firefox|Chrome|Safari)\b")
SHOWN = {"Edg": "Edge"}


def family(user_agent: str) -> str:
    """From the User-Agent header; "" where it names none of those we know."""
    # Every Chrome calls itself Safari too, and Edge both: the most telling name stands last.
    found = FAMILIES.findall(user_agent)
    if "Edg" in found:
        return SHOWN["Edg"]
    return found[0] if found else ""
