"""Reads moments from the command line: `--until 2h`, `--until 18:00`, `--until 2027-03-01T18:00`."""

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import click

from identity.core.clock import utc_now
from identity.settings import read_settings

DURATION = re.compile(r"([0-9]{1,5})\s*(m|h|d)")
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
CLOCK = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")
FURTHEST = timedelta(days=3660)
EXAMPLES = "90m, 4h, 2d, 18:00 or 2027-03-01T18:00"


class Until(click.ParamType[datetime]):
    """The end of something: a time from now, the next such time of day, or a date with a time.

    Without a zone, times are those of the service (GUICHET_TIME_ZONE).
    """

    name = "until"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The moment, in UTC. Fails for what is no moment, or lies in the past."""
        if isinstance(value, datetime):
            return value
        now, text = utc_now(), str(value).strip()
        moment = read_moment(text, now, read_settings().time_zone)
        if moment is None:
            self.fail(f"{text!r} is no moment: give {EXAMPLES}", param, ctx)
        if not now < moment <= now + FURTHEST:
            self.fail(f"{text!r} is not in the future, or too far in it", param, ctx)
        return moment


def read_moment(text: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The moment in UTC that a text names; None if it names none."""
    if found := DURATION.fullmatch(text):
        return now + int(found[1]) * UNITS[found[2]]
    if found := CLOCK.fullmatch(text):
        here = now.astimezone(zone)
        at = datetime.combine(here.date(), time(int(found[1]), int(found[2])), zone)
        if at <= here:
            at = datetime.combine(here.date() + timedelta(days=1), at.timetz())
        return at.astimezone(UTC)
    try:
        given = datetime.fromisoformat(text)
        return (given if given.tzinfo else given.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


until = click.option(
    "--until",
    type=Until(),
    metavar="WHEN",
    help=f"When it ends by itself: {EXAMPLES}.  [default: when you end it]",
)
