"""Who guesses codes, ten times a second, from a /32 that is all theirs: on the real module, with a clock that is told."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from identity.core.database import Database
from identity.core.keyed_hashes import KeyedHashes
from identity.core.one_time_codes import (
    limits as code_limits,
    models as store,
    service as one_time_codes,
)
from identity.core.one_time_codes.models import Purpose
from identity.core.one_time_codes.service import TypedCode
from identity.core.tokens import Tokens

RATE = 10  # requests a second
SECOND = timedelta(seconds=1)
NO_CODE = "99999999"
AT_ONCE = 50  # requests in one transaction: it makes the simulation fast, and changes nothing


@dataclass
class Guesser:
    """Opens requests for invented addresses and types codes. Every request costs a tenth of a second.

    `chance`: the sum over all codes that were really tried of the chance that the guess was right.
    """

    database: Database
    tokens: Tokens
    hashes: KeyedHashes
    clock: Any
    chance: float = 0.0
    requests: int = 0
    tried: Counter[int | None] = field(default_factory=Counter)  # by digits; None: refused
    invented: int = 0

    def spend_time(self) -> None:
        self.requests += 1
        self.clock.time += SECOND / RATE

    def place(self, session) -> code_limits.CallerNetworks:
        """A network of its own each time: 65,536 of /48 are in a /32."""
        number = self.requests % 65_536
        return code_limits.networks_of_caller(session, self.hashes, f"2001:db8:{number:x}::1", ())

    def open(self, session) -> str:
        """One more request for an address nobody has; its mail leaves."""
        self.spend_time()
        self.invented += 1
        address = f"x{self.invented}@ac-rouen.example"
        one_time_codes.issue_for_mail(session, self.tokens, self.clock(), Purpose.SIGN_UP, address)
        return address

    def guess(
        self, session, address: str, *, place: code_limits.CallerNetworks | None = None
    ) -> bool:
        """Type a code; whether it was tried. It is never right here: how likely it was is added up instead."""
        self.spend_time()
        code = store.find_newest(session, Purpose.SIGN_UP, address)
        before = code.wrong
        typed = TypedCode(NO_CODE, networks=place or self.place(session), browser="of the guesser")
        one_time_codes.spend(
            session, self.tokens, self.clock(), Purpose.SIGN_UP, typed, address=address
        )
        session.refresh(code)
        was_tried = code.wrong > before
        if was_tried:
            self.chance += 10.0**-code.digits
        self.tried[code.digits if was_tried else None] += 1
        return was_tried

    def fill(self, number: int) -> list[str]:
        """Open so many requests."""
        addresses: list[str] = []
        while len(addresses) < number:
            with self.database.transaction() as session:
                wanted = min(AT_ONCE, number - len(addresses))
                addresses += [self.open(session) for _ in range(wanted)]
        return addresses

    def empty(self, addresses: list[str]) -> int:
        """Type one code for each of these, until no code is tried any more. How many were."""
        tried = 0
        for start in range(0, len(addresses), AT_ONCE):
            with self.database.transaction() as session:
                chunk = addresses[start : start + AT_ONCE]
                done = sum(self.guess(session, address) for address in chunk)
            tried += done
            if not done:
                break
        return tried
