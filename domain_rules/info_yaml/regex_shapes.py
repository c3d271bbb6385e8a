r"""Understands a regex of an info.yaml by its shape, without running it.

The pattern is expanded into all texts it can stand for, with two signs in them: a run of anything
and an unescaped dot. `.*@(.*\.|)d` stands for «run @ d» and «run @ run . d», which is the suffix d.
A pattern with a sign elsewhere is not understood, and no meaning is guessed for it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from domain_rules.enums import StrEnum
from domain_rules.located import excerpt
from domain_rules.rule import RuleKind

MAX_PATTERN = 500  # characters of a pattern
MAX_FORMS = 200  # texts that one pattern may stand for
MAX_DEPTH = 5  # groups in groups


class PatternSign(StrEnum):
    """The parts of a form that are not letters."""

    RUN = "run"
    LOOSE_DOT = "loose_dot"


Form = tuple[str, ...]
"""Letters and signs, which are told apart by their class."""

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
    """A pattern that is not understood. The message says where the understanding ends."""


@dataclass(frozen=True, slots=True)
class Target:
    """One thing a pattern means: an address, a domain, a suffix, or everything (the default).

    `text` is as written in the file, without backslashes; `loose` are the positions of its
    unescaped dots. `glued`: the dot before a suffix is unescaped, so that xd counted as under d.
    """

    kind: RuleKind
    text: str = ""
    loose: tuple[int, ...] = ()
    glued: bool = False


def recognise_pattern(pattern: str) -> tuple[Target, ...]:
    """The targets of a pattern, in its own order. Raises UnknownShape."""
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
        if local == (PatternSign.RUN,):
            domains.append(domain)
        elif PatternSign.RUN in local or PatternSign.RUN in domain:
            raise UnknownShape("before the @ only .* (anybody) or one person is understood")
        else:
            targets.append(Target(RuleKind.ADDRESS, *_written((*local, "@", *domain))))
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
    """Expands tokens into all forms they can stand for."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = iter(tokens)

    def whole(self) -> list[Form]:
        forms, closed_by = self._alternatives(0)
        if closed_by:
            raise UnknownShape("a bracket closes that was never opened")
        return forms

    def _alternatives(self, depth: int) -> tuple[list[Form], str]:
        """The forms up to the closing bracket, and that bracket."""
        if depth > MAX_DEPTH:
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
            return [(PatternSign.RUN, "."), ()]
        if name == "letters":
            return [tuple(text)]
        signs = {"run": PatternSign.RUN, "loose": PatternSign.LOOSE_DOT, "dot": "."}
        return [(signs.get(name) or text.removeprefix("\\"),)]


def _joined(first: list[Form], second: list[Form]) -> list[Form]:
    if len(first) * len(second) > 2 * MAX_FORMS:
        raise UnknownShape(f"it stands for more than {MAX_FORMS} domains; split it")
    return [one + other for one, other in product(first, second)]


def _split(form: Form) -> tuple[Form, Form]:
    """The form before the @ and after it; a single run stands for both."""
    if form == (PatternSign.RUN,):
        return form, form
    if form.count("@") != 1:
        raise UnknownShape("there must be one @ in it, as in .*@example\\.org")
    at = form.index("@")
    return form[:at], form[at + 1 :]


def _of_domains(forms: Iterable[Form]) -> Iterator[Target]:
    exact: dict[str, tuple[int, ...]] = {}
    under: dict[str, bool] = {}
    for form in forms:
        if form == (PatternSign.RUN,):
            yield Target(RuleKind.DEFAULT)
            continue
        below = form[2:] if form[:1] == (PatternSign.RUN,) else form
        text, loose = _written(below)
        if PatternSign.RUN in below:
            raise UnknownShape("after the @ .* is understood only before the whole domain")
        if below is form:
            exact[text] = tuple(sorted({*exact.get(text, ()), *loose}))
        elif form[1] is PatternSign.LOOSE_DOT or form[1] == ".":
            under[text] = under.get(text, False) or form[1] is PatternSign.LOOSE_DOT
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
        kind = RuleKind.SUFFIX if text in under else RuleKind.DOMAIN
        yield Target(kind, text, loose, glued=under.get(text, False))


def _written(form: Form) -> tuple[str, tuple[int, ...]]:
    """The text, and the positions of its unescaped dots."""
    text = "".join("." if each is PatternSign.LOOSE_DOT else each for each in form)
    return text, tuple(at for at, each in enumerate(form) if each is PatternSign.LOOSE_DOT)
