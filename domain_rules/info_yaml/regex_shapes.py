r"""A regex of an old file, recognised by its shape and never run: which addresses it means.

The pattern is read into all the texts it can stand for, with two signs in them: a run of anything
and an unescaped dot. `.*@(.*\.|)d` stands for «run @ d» and «run @ run . d», and that is the
suffix d. Whatever has a sign elsewhere has no shape of ours, and no meaning is guessed for it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from domain_rules.enums import Word
from domain_rules.located import excerpt
from domain_rules.rules import Kind

MAX_PATTERN = 500  # characters of a pattern
MAX_FORMS = 200  # texts that one pattern may stand for
DEEPEST = 5  # groups in groups


class Sign(Word):
    """What is no letter."""

    RUN = "run"
    LOOSE_DOT = "loose_dot"


Form = tuple[str, ...]
"""Letters and signs; a sign is told from a letter by its class."""

TOKENS = re.compile(
    r"""
      (?P<labels> \((?:\?:)? (?:
            (?: \[\^@\\?\.\] | \[\^\\?\.@\] | \[a-z0-9-\] | \[a-zA-Z0-9-\] | \[\\w-\] )
            \+ (?:\\\.|\[\.\]) \)\*
          | (?: \[a-z0-9\.-\] | \[a-zA-Z0-9\.-\] | \[\\w\.-\] ) \+ (?:\\\.|\[\.\]) \)\?
      ))
    | (?P<run> (?: \. | \[\^@\] | \[\^@\\s\] | \[\^\\s@\] | \\S ) [*+] \?? )
    | (?P<dot> \\\. | \[\.\] )
    | (?P<loose> \. )
    | (?P<open> \( (?:\?:)? )
    | (?P<close> \) \?? )
    | (?P<or> \| )
    | (?P<escaped> \\[^\w\s] )
    | (?P<letters> [\w@-]+ )
    """,
    re.VERBOSE,
)


class UnknownShape(ValueError):
    """A pattern whose meaning cannot be told for sure. The message says where it stops."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing a pattern means: an address, a domain, a suffix, or everything (the default).

    `text` is as written there, without backslashes; `loose` are the places of its dots that were
    not escaped. `glued`: before a suffix, too, so that xd counted as under d.
    """

    kind: Kind
    text: str = ""
    loose: tuple[int, ...] = ()
    glued: bool = False


def recognise(pattern: str) -> tuple[Target, ...]:
    """What a pattern means, in its own order. Raises UnknownShape."""
    if len(pattern) > MAX_PATTERN:
        raise UnknownShape(f"it is longer than {MAX_PATTERN} characters")
    bare = pattern.removeprefix("^")
    if bare.endswith("$") and not bare.endswith("\\$"):
        bare = bare[:-1]
    forms = _Expansion(list(_tokens(bare))).whole()
    domains: list[Form] = []
    targets: list[Target] = []
    for form in dict.fromkeys(forms):
        local, domain = _split(form)
        if local == (Sign.RUN,):
            domains.append(domain)
        elif Sign.RUN in local or Sign.RUN in domain:
            raise UnknownShape("before the @ only .* (anybody) or one person is understood")
        else:
            targets.append(Target(Kind.ADDRESS, *_written((*local, "@", *domain))))
    return (*targets, *_of_domains(domains))


def _tokens(pattern: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(pattern):
        found = TOKENS.match(pattern, at)
        if found is None:
            rest = pattern[at : at + 20]
            hint = "; write \\+ for a plus sign" if rest.startswith("+") else ""
            raise UnknownShape(f"this shape is not known, from {excerpt(rest)} on{hint}")
        yield found.lastgroup or "", found[0]
        at = found.end()


class _Expansion:
    """Reads tokens into all the forms they can stand for."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = iter(tokens)

    def whole(self) -> list[Form]:
        forms, closed_by = self._alternatives(0)
        if closed_by:
            raise UnknownShape("a bracket closes that was never opened")
        return forms

    def _alternatives(self, depth: int) -> tuple[list[Form], str]:
        """The forms up to the bracket that closes, and that bracket."""
        if depth > DEEPEST:
            raise UnknownShape("its brackets are nested too deep")
        done: list[Form] = []
        here: list[Form] = [()]
        for name, text in self.tokens:
            if name == "close":
                return done + here, text
            if name == "or":
                if depth == 0:
                    raise UnknownShape("a | outside brackets takes half of the pattern each")
                done, here = done + here, [()]
            else:
                here = _joined(here, self._atom(name, text, depth))
            if len(done) + len(here) > MAX_FORMS:
                raise UnknownShape(f"it stands for more than {MAX_FORMS} domains; split it")
        if depth:
            raise UnknownShape("a bracket is never closed")
        return here, ""

    def _atom(self, name: str, text: str, depth: int) -> list[Form]:
        if name == "open":
            forms, closed_by = self._alternatives(depth + 1)
            return [*forms, ()] if closed_by == ")?" else forms
        if name == "labels":
            return [(Sign.RUN, "."), ()]
        if name == "letters":
            return [tuple(text)]
        signs = {"run": Sign.RUN, "loose": Sign.LOOSE_DOT, "dot": "."}
        return [(signs.get(name) or text.removeprefix("\\"),)]


def _joined(first: list[Form], second: list[Form]) -> list[Form]:
    if len(first) * len(second) > 2 * MAX_FORMS:
        raise UnknownShape(f"it stands for more than {MAX_FORMS} domains; split it")
    return [one + other for one, other in product(first, second)]


def _split(form: Form) -> tuple[Form, Form]:
    """What stands before the @ and after it; a run alone is both."""
    if form == (Sign.RUN,):
        return form, form
    if form.count("@") != 1:
        raise UnknownShape("there must be one @ in it, as in .*@example\\.org")
    at = form.index("@")
    return form[:at], form[at + 1 :]


def _of_domains(forms: Iterable[Form]) -> Iterator[Target]:
    exact: dict[str, tuple[int, ...]] = {}
    under: dict[str, bool] = {}
    for form in forms:
        if form == (Sign.RUN,):
            yield Target(Kind.DEFAULT)
            continue
        below = form[2:] if form[:1] == (Sign.RUN,) else form
        text, loose = _written(below)
        if Sign.RUN in below:
            raise UnknownShape("after the @ .* is understood only before the whole domain")
        if below is form:
            exact[text] = tuple(sorted({*exact.get(text, ()), *loose}))
        elif form[1] is Sign.LOOSE_DOT or form[1] == ".":
            under[text] = under.get(text, False) or form[1] is Sign.LOOSE_DOT
        else:
            end, _ = _written(form[1:])
            raise UnknownShape(f"it takes every domain that ends with {end}, x{end} too")
    for text in under:
        if text not in exact:
            whole = "(.*\\.|)" + text.replace(".", "\\.")
            raise UnknownShape(
                f"it takes what is under {text} and not {text} itself, and no rule does; "
                f"for both write .*@{whole}"
            )
    for text, loose in exact.items():
        kind = Kind.SUFFIX if text in under else Kind.DOMAIN
        yield Target(kind, text, loose, glued=under.get(text, False))


def _written(form: Form) -> tuple[str, tuple[int, ...]]:
    """The text, and where its dots were not escaped."""
    text = "".join("." if each is Sign.LOOSE_DOT else each for each in form)
    return text, tuple(at for at, each in enumerate(form) if each is Sign.LOOSE_DOT)
