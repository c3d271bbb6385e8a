r"""Makes rules from the info.yaml of a Tchap or Sydent server, already loaded.

    medium:
      email:
        entries:
          ana@example.org: {hs: agents.example.org}
        patterns:
          - .*@example\.org: {hs: protected.example.org, shadow_hs: agents.example.org}
          - .*: {hs: guests.example.org, requires_invite: true}

There the order of patterns matters, here it never does: `proof` compares the two.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress, parse_domain
from domain_rules.located import LineFault, Lines, Located, Path, excerpt, line_of
from domain_rules.reading import Duplicate, NeverAgent, RuleReading, bar_no_domain
from domain_rules.reasons import Reason, reason
from domain_rules.rule import AccountClass, Rule, RuleKind

from .legacy_lookup import CallerAnswer, LegacyLine
from .regex_shapes import Target, UnknownShape, recognise_pattern

EMAIL: Path = ("medium", "email")
MAX_RULES = 400_000  # of one file; brackets multiply rules
ANSWER_KEYS = frozenset({"hs", "shadow_hs", "requires_invite"})


@dataclass(frozen=True, slots=True)
class InfoYamlReading(RuleReading):
    """The rules of a file. `old`: its lines, in the order in which the old server tries them."""

    old: tuple[LegacyLine, ...]
    rules_of: Mapping[int, tuple[Rule, ...]]
    """The rules made from each line, by its index in `old`."""


def is_info_yaml(document: object) -> bool:
    """Whether the loaded document looks like an info.yaml."""
    return isinstance(document, Mapping) and "medium" in document


def read_info_yaml(
    document: object,
    lines: Lines | None = None,
    *,
    known_homeservers: Mapping[str, bool],
    never_agent: NeverAgent = bar_no_domain,
) -> InfoYamlReading:
    """Rules for the entries and patterns.

    `known_homeservers`: for each name, whether it is for guests.
    """
    reader = _Reader(lines or {}, known_homeservers, never_agent)
    email = reader.mapping_at(document, EMAIL)
    for items, is_entry in ((reader.entries(email), True), (reader.patterns(email), False)):
        for text, answer, path in items:
            if reader.is_full(path, text):
                break
            reader.take(text, answer, path, is_entry=is_entry)
    reader.report_missing_homeservers()
    return InfoYamlReading(
        rules=tuple(rule for rule, _ in reader.rules.values()),
        lines=tuple(line for _, line in reader.rules.values()),
        faults=tuple(sorted(dict.fromkeys(reader.faults), key=lambda fault: fault.line)),
        duplicates=tuple(reader.duplicates),
        old=tuple(reader.old),
        rules_of=reader.rules_of,
    )


Item = tuple[object, object, Path]


@dataclass
class _Reader:
    """Collects rules and faults while it reads."""

    places: Lines
    known: Mapping[str, bool]
    never_agent: NeverAgent
    old: list[LegacyLine] = field(default_factory=list)
    rules: dict[str, tuple[Rule, int]] = field(default_factory=dict)
    rules_of: dict[int, tuple[Rule, ...]] = field(default_factory=dict)
    faults: list[LineFault] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    missing: dict[str, int] = field(default_factory=dict)
    missed: Counter[str] = field(default_factory=Counter)

    def mapping_at(self, document: object, path: Path) -> Mapping[object, object]:
        found = document
        for at, key in enumerate(path):
            found = found.get(key) if isinstance(found, Mapping) else None
            if not isinstance(found, Mapping):
                self._fault(path[: at + 1], key, reason("no_medium"))
                return {}
        return found if isinstance(found, Mapping) else {}

    def entries(self, email: Mapping[object, object]) -> Iterator[Item]:
        """The entries; a missing or empty value is none."""
        entries = email.get("entries") or {}
        path = (*EMAIL, "entries")
        if not isinstance(entries, Mapping):
            self._fault(path, entries, reason("wrong_entries"))
            return
        for text, answer in entries.items():
            yield text, answer, (*path, str(text))

    def patterns(self, email: Mapping[object, object]) -> Iterator[Item]:
        groups = email.get("patterns") or []
        path = (*EMAIL, "patterns")
        if not isinstance(groups, list):
            self._fault(path, groups, reason("wrong_patterns"))
            return
        for at, group in enumerate(groups):
            if not isinstance(group, Mapping):
                self._fault((*path, at), group, reason("wrong_pattern"))
                continue
            for text, answer in group.items():
                yield text, answer, (*path, at, str(text))

    def is_full(self, path: Path, text: object) -> bool:
        if len(self.rules) < MAX_RULES:
            return False
        self._fault(path, text, reason("too_many_rules", most=MAX_RULES))
        return True

    def take(self, text: object, answer: object, path: Path, *, is_entry: bool) -> None:
        """Record the rules of one line or its faults; what the line means is kept for the proof."""
        before = len(self.faults)
        targets = self._targets(text, path, is_entry=is_entry)
        said = self._answer(text, answer, path)
        if not targets or said is None:
            return
        asked = (said.hs, said.shadow_hs)
        names = [name for name in dict.fromkeys(asked) if name and name not in self.known]
        for name in names:
            self.missing.setdefault(name, line_of(self.places, path))
            self.missed[name] += 1
        rules = [self._rule(target, said, path) for target in targets]
        taken = [rule for rule in rules if rule]
        is_taken = not names and len(self.faults) == before
        line = LegacyLine(
            line_of(self.places, path), str(text), said, targets, is_entry, is_taken=is_taken
        )
        if not names:
            self.rules_of[len(self.old)] = tuple(taken)
            self._keep(taken, line)
        self.old.append(line)

    def report_missing_homeservers(self) -> None:
        """One fault for each homeserver, however many lines need it."""
        for name, line in self.missing.items():
            near = get_close_matches(name, sorted(self.known))
            self.faults.append(LineFault(line, name, _to_add(self.missed[name], near)))

    def _targets(self, text: object, path: Path, *, is_entry: bool) -> tuple[Target, ...]:
        if not isinstance(text, str):
            self._fault(path, text, reason("no_quotes"))
            return ()
        if is_entry:
            return (Target(RuleKind.ADDRESS, text),)
        try:
            return recognise_pattern(text)
        except UnknownShape as unknown:
            self._fault(path, text, reason("not_understood", what=str(unknown)))
            return ()

    def _answer(self, text: object, answer: object, path: Path) -> CallerAnswer | None:
        if not isinstance(answer, Mapping):
            self._fault(path, text, reason("no_answer"))
            return None
        entry = Located(answer, path, self.places)
        entry.check_keys(ANSWER_KEYS)
        hs = entry.text("hs")
        if hs is None and not entry.faults:
            entry.add_fault(None, reason("no_hs"))
        shadow, invited = entry.text("shadow_hs"), entry.flag("requires_invite")
        self.faults += entry.faults
        return None if entry.faults or hs is None else CallerAnswer(hs, shadow, invited or False)

    def _rule(self, target: Target, said: CallerAnswer, path: Path) -> Rule | None:
        # Old files have no classes. Guests are those of the default rule, those who need an
        # invitation, and those on a homeserver for guests.
        place, protected = said.shadow_hs or said.hs, said.hs if said.shadow_hs else None
        is_guests = target.kind is RuleKind.DEFAULT or said.requires_invite
        is_guests = is_guests or any(self.known.get(name) for name in (said.hs, place))
        try:
            pattern = _canonical(target)
        except InvalidAddress as error:
            self._fault(path, target.text, error.sentence)
            return None
        if not is_guests and target.kind in {RuleKind.DOMAIN, RuleKind.SUFFIX}:
            why = self.never_agent(pattern)
            if why:
                self._fault(path, target.text, why)
                return None
        return Rule(
            target.kind,
            pattern,
            AccountClass.GUEST if is_guests else AccountClass.AGENT,
            place,
            protected_homeserver=None if protected == place else protected,
            requires_invite=said.requires_invite,
        )

    def _keep(self, rules: Iterable[Rule], line: LegacyLine) -> None:
        """Of two rules for the same pattern the first stays, as on the old server."""
        for rule in rules:
            first, at = self.rules.setdefault(rule.name, (rule, line.line))
            if first is not rule and first == rule:
                self.duplicates.append(Duplicate(line.line, excerpt(line.text), at))

    def _fault(self, path: Path, text: object, why: str) -> None:
        self.faults.append(LineFault(line_of(self.places, path), excerpt(text), why))


def _canonical(target: Target) -> str:
    """The pattern of the rule for a target. Raises InvalidAddress."""
    if target.kind is RuleKind.DEFAULT:
        return ""
    if target.kind is RuleKind.ADDRESS:
        return EmailAddress.parse(target.text, smtputf8=True).canonical
    return parse_domain(target.text)


def _to_add(count: int, near: Sequence[str]) -> Reason:
    """Why nothing of a homeserver is taken: it is to be added first. `count`: of its lines."""
    close = ", ".join(near)
    if count == 1:
        one = "homeserver_to_add_one"
        return reason(f"{one}_near", near=close) if near else reason(one)
    many = "homeserver_to_add"
    return reason(f"{many}_near", n=count, near=close) if near else reason(many, n=count)
