"""The table of letters that look like each other, from the file in `domain_rules`, read once."""

from functools import cache
from importlib import resources

from domain_rules import look_alikes


@cache
def table() -> look_alikes.Table:
    """Code point → the letters that it looks like."""
    file = resources.files("domain_rules") / "confusables.txt"
    return look_alikes.read_table(file.read_text(encoding="utf-8"))
