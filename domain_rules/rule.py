"""One rule: which addresses it covers, whether their people are agents, and their homeserver."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime

from domain_rules.addresses import EmailAddress
from domain_rules.enums import StrEnum
from domain_rules.local_parts import EXTRA_SIGNS
from domain_rules.reasons import reason


class RuleKind(StrEnum):
    """How much a rule covers, narrowest first."""

    ADDRESS = "address"
    DOMAIN = "domain"
    SUFFIX = "suffix"
    DEFAULT = "default"


class AccountClass(StrEnum):
    """What a person may do: agents invite, guests answer."""

    AGENT = "agent"
    GUEST = "guest"


class InvalidRule(ValueError):
    """A rule that contradicts itself."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the federation.

    `pattern` is a canonical address, an A-label domain, or empty for the default; it is not parsed
    again here. A sibling rule has no homeserver: it names the domain to use. `extra_signs`: which
    of `= & # ~ /` agents may have before the @; guests may have all of them.
    """

    kind: RuleKind
    pattern: str
    account_class: AccountClass
    homeserver: str | None
    _: KW_ONLY
    requires_invite: bool
    protected_homeserver: str | None = None
    organisation: str = ""
    sibling_of: str | None = None
    moved_from: tuple[str, ...] = ()
    moving_until: datetime | None = None
    note: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    extra_signs: str = ""

    def __post_init__(self) -> None:
        if (self.homeserver is None) == (self.sibling_of is None):
            raise InvalidRule(reason("two_places", rule=self.name))
        if self.protected_homeserver and not self.homeserver:
            raise InvalidRule(reason("protected_sibling", rule=self.name))
        if (self.kind is RuleKind.DEFAULT) == bool(self.pattern):
            raise InvalidRule(reason("pattern_missing", rule=self.name))
        if self.kind is RuleKind.DEFAULT and self.sibling_of:
            raise InvalidRule(reason("default_sibling", rule=self.name))
        if self.valid_from and self.valid_until and self.valid_until <= self.valid_from:
            raise InvalidRule(reason("ends_first", rule=self.name))
        if self.extra_signs and self.extra_signs != order_signs(self.extra_signs):
            raise InvalidRule(reason("signs_out_of_order", rule=self.name, known=str(EXTRA_SIGNS)))

    @property
    def name(self) -> str:
        """As people and logs call it: `suffix:interieur.example`, `default`."""
        return f"{self.kind.value}:{self.pattern}" if self.pattern else self.kind.value

    def is_in_force(self, at: datetime) -> bool:
        """Whether the rule is valid at this moment: from `valid_from`, before `valid_until`."""
        begun = self.valid_from is None or self.valid_from <= at
        return begun and (self.valid_until is None or at < self.valid_until)

    def overlaps(self, other: "Rule") -> bool:
        """Whether there is a moment at which both rules are in force."""
        for first, second in ((self, other), (other, self)):
            end, begin = first.valid_until, second.valid_from
            if end is not None and begin is not None and end <= begin:
                return False
        return True

    def accepts(self, address: EmailAddress) -> bool:
        """Whether agents of this rule may have this local part.

        A rule for one address allows it by its pattern.
        """
        named = self.kind is RuleKind.ADDRESS or address.extra_signs.issubset(self.extra_signs)
        return named and address.local.isascii()

    def former_homeservers(self, at: datetime) -> tuple[str, ...]:
        """Homeservers that its people moved from, while the move lasts."""
        return self.moved_from if self.moving_until and at < self.moving_until else ()


def order_signs(signs: str) -> str:
    """Those of `= & # ~ /` that the text contains, each once, in the order rules store them."""
    return "".join(sign for sign in EXTRA_SIGNS if sign in signs)
