"""What is stored of a person's one-time codes: generations and tries, never a digit."""

from collections.abc import Collection, Iterator

from sqlalchemy import select

from identity.core import rows
from identity.core.personal_data import Erasure, Record, View, chunks, happened
from identity.core.story import Events, events

from .models import OneTimeCode, WrongTry

SECTION = "one_time_codes"


def records_of(view: View, subjects: Collection[str]) -> Iterator[Record]:
    """The generations of codes for these subjects, and the wrong tries of the last day."""
    codes = select(OneTimeCode).where(OneTimeCode.subject.in_(subjects))
    for code in view.session.scalars(codes.order_by(OneTimeCode.generation)):
        wrong = code.wrong + code.wrong_held
        yield Record(
            SECTION,
            {
                "purpose": code.purpose,
                "digits": code.digits,
                "in_a_mail": code.key_id is not None,
                "ends_at": code.alive_until,
                "wrong_tries": code.wrong,
                "wrong_tries_behind_the_link": code.wrong_held,
                "used_at": code.used_at,
            },
            happened(
                (code.used_at, f"{code.purpose}: code used, after {wrong} wrong tries"),
                (code.alive_until, f"{code.purpose}: code of {code.digits} digits ends"),
            ),
        )
    tries = select(WrongTry).where(WrongTry.address.in_(subjects)).order_by(WrongTry.at)
    for each in view.session.scalars(tries):
        yield Record(
            "wrong_code_tries",
            {"at": each.at, "purpose": each.purpose},
            happened((each.at, f"{each.purpose}: wrong code")),
        )


def events_of(subjects: Collection[str]) -> Iterator[Events]:
    """Codes that were right, and the wrong tries of the last day."""
    code, tried = OneTimeCode, WrongTry
    own = code.subject.in_(subjects)
    yield events("code-used", code.used_at, code.id, own, detail=code.purpose)
    theirs = tried.address.in_(subjects)
    yield events("code-wrong", tried.at, tried.id, theirs, detail=tried.purpose)


def erase(erasure: Erasure, subjects: Collection[str]) -> None:
    """Delete the codes. Wrong tries go on counting for the networks they came from."""
    for some in chunks(subjects):
        erasure.delete(SECTION, OneTimeCode, OneTimeCode.subject.in_(some))
        blanked = rows.update(erasure.session, WrongTry, WrongTry.address.in_(some), address="")
        erasure.done.count("wrong_code_tries", blanked)
