"""One rule: whose address it is about, what its people are, and where they belong."""

from dataclasses import KW_ONLY, dataclass
from datetime import datetime

from domain_rules.addresses import EmailAddress
from domain_rules.enums import Word
from domain_rules.local_parts import EXTRA_SIGNS


class Kind(Word):
    """How wide a rule reaches, narrowest first."""

    ADDRESS = "address"
    DOMAIN = "domain"
    SUFFIX = "suffix"
    DEFAULT = "default"


class AccountClass(Word):
    """What a person may do: agents invite, guests answer."""

    AGENT = "agent"
    GUEST = "guest"


class MisshapenRule(ValueError):
    """A rule that contradicts itself."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the federation's map.

    `pattern` is a canonical address, an A-label domain, or empty for the default; it is
    not parsed again here. A sibling rule has no homeserver: it names the domain to use.
    `extra_signs`: which of `= & # ~ /` agents have before the @; guests may have all of them.
    """

    kind: Kind
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
            raise MisshapenRule(f"{self.name}: give a homeserver or sibling_of, one of the two")
        if self.protected_homeserver and not self.homeserver:
            raise MisshapenRule(f"{self.name}: a sibling has no protected homeserver")
        if (self.kind is Kind.DEFAULT) == bool(self.pattern):
            raise MisshapenRule(f"{self.name}: every rule but the default has a pattern")
        if self.kind is Kind.DEFAULT and self.sibling_of:
            raise MisshapenRule(f"{self.name}: the default cannot be a sibling")
        if self.valid_from and self.valid_until and self.valid_until <= self.valid_from:
            raise MisshapenRule(f"{self.name}: it ends before it begins")
        if self.extra_signs != in_order(self.extra_signs):
            raise MisshapenRule(
                f"{self.name}: extra_signs are some of {EXTRA_SIGNS}, in this order"
            )

    @property
    def name(self) -> str:
        """How people and logs call it: `suffix:interieur.example`, `default`."""
        return f"{self.kind.value}:{self.pattern}" if self.pattern else self.kind.value

    def is_in_force(self, at: datetime) -> bool:
        """Whether `at` is in its validity; the first moment is, the last is not."""
        begun = self.valid_from is None or self.valid_from <= at
        return begun and (self.valid_until is None or at < self.valid_until)

    def overlaps(self, other: "Rule") -> bool:
        """Whether there is a moment at which both are in force."""
        for first, second in ((self, other), (other, self)):
            end, begin = first.valid_until, second.valid_from
            if end is not None and begin is not None and end <= begin:
                return False
        return True

    def takes(self, address: EmailAddress) -> bool:
        """Whether an agent of this rule may have what stands before the @.

        A rule for one address has said so by its pattern.
        """
        named = self.kind is Kind.ADDRESS or address.extra_signs.issubset(self.extra_signs)
        return named and address.local.isascii()

    def former_homeservers(self, at: datetime) -> tuple[str, ...]:
        """The homeservers a move left behind, as long as they still count."""
        return self.moved_from if self.moving_until and at < self.moving_until else ()


def in_order(signs: str) -> str:
    """These of `= & # ~ /`, each once, as a rule keeps them; others are left out."""
    return "".join(sign for sign in EXTRA_SIGNS if sign in signs)
