"""Addresses to test a pattern with: those it means, and those it should just miss."""

from collections.abc import Iterator

from domain_rules.rule import RuleKind

from .regex_shapes import Target

PERSON = "ana.proof"
MAX_LOOSE = 5  # dots of one target tried one by one
UNNAMED = "unnamed-by-any-rule.org"  # for the default


def probe_addresses_of(target: Target) -> Iterator[str]:
    """About a dozen addresses, the most telling first."""
    if target.kind is RuleKind.DEFAULT:
        yield f"{PERSON}@{UNNAMED}"
        yield f"{PERSON}@sub.{UNNAMED}"
        return
    if target.kind is RuleKind.ADDRESS:
        yield from _around_an_address(target)
        return
    for domain in _around_a_domain(target):
        yield f"{PERSON}@{domain}"
    yield f"{PERSON}@{target.text}".upper()
    yield f"{PERSON.upper()}@{target.text}"
    if not target.text.isascii():
        yield f"{PERSON}@{_in_ascii(target.text)}"


def _around_an_address(target: Target) -> Iterator[str]:
    local, _, domain = target.text.rpartition("@")
    yield target.text
    yield from _loosened(target)
    yield target.text.upper()
    yield target.text.lower()
    yield f"x{target.text}"
    yield f"{local}+x@{domain}"
    yield f"{local}@x.{domain}"
    yield f"{PERSON}@{domain}"


def _around_a_domain(target: Target) -> Iterator[str]:
    domain = target.text
    yield domain
    yield from _loosened(target)
    yield f"x{domain}"  # a suffix without its dot
    yield f"sub.{domain}"
    yield f"deep.sub.{domain}"
    yield f"x-{domain}"
    if target.loose:
        # A domain of two labels loses its only dot here; with a label before it, it is a domain.
        yield from (f"sub.{each}" for each in _loosened(target))
    _, _, above = domain.partition(".")
    if "." in above:
        yield f"sibling.{above}"
        yield above
    yield domain.replace(".", "x", 1)
    yield _one_letter_off(domain)
    yield f"{domain}x"
    yield f"{domain}.org"


def _loosened(target: Target) -> Iterator[str]:
    """The target's text with a letter in place of each unescaped dot."""
    for at in target.loose[:MAX_LOOSE]:
        yield f"{target.text[:at]}x{target.text[at + 1 :]}"


def _one_letter_off(domain: str) -> str:
    return ("y" if domain.startswith("z") else "z") + domain[1:]


def _in_ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode()
    except UnicodeError:
        return domain
