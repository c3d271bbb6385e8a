"""Moments in words, in one time zone and one language; the same for pages and mails."""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from babel.dates import format_datetime, get_timezone_location

from identity.translations import texts

NO_BREAK: Final = "\u00a0"
DAY: Final = "EEEE d MMMM"
DAY_OF_A_YEAR: Final = "d MMMM y"
CLOCK: Final = {"fr": "H 'h' mm", "en": "HH:mm"}


@dataclass(frozen=True)
class Dates:
    """`language` is one of the translations'; no line breaks inside what belongs together."""

    zone: ZoneInfo
    language: str

    def in_words(self, moment: datetime) -> str:
        """`mardi 14 mars à 16 h 30 (heure de Paris)`."""
        return self._sentence("mail.date", moment)

    def day(self, moment: datetime) -> str:
        """`mardi 14 mars`, in the year that is meant anyway."""
        return self._written(moment, DAY)

    def day_of_a_year(self, moment: datetime) -> str:
        """`14 mars 2028`."""
        return self._written(moment, DAY_OF_A_YEAR)

    def clock(self, moment: datetime) -> str:
        """`16 h 30`."""
        return self._written(moment, CLOCK[self.language])

    def clock_or_date(self, moment: datetime, *, now: datetime) -> str:
        """`16 h 30 (heure de Paris)` today, and with its day on any other; after "à" or "at"."""
        if self.is_same_day(moment, now):
            return f"{self.clock(moment)}{NO_BREAK}{self.zone_name()}"
        link = texts(self.language).gettext("date.on")
        return f"{self.clock(moment)} {link} {self.day(moment)} {self.zone_name()}"

    def until(self, moment: datetime, since: datetime) -> str:
        """The end of what began at `since`: its clock alone on the same day. Begins with "until"."""
        same_day = self.is_same_day(moment, since)
        return self._sentence("mail.until_clock" if same_day else "mail.until_date", moment)

    def zone_name(self) -> str:
        """`(heure de Paris)`."""
        return _zone_name(self.zone, self.language)

    def is_same_day(self, moment: datetime, other: datetime) -> bool:
        """Whether the calendar of this zone has both on one page."""
        return moment.astimezone(self.zone).date() == other.astimezone(self.zone).date()

    def _sentence(self, text_id: str, moment: datetime) -> str:
        text = texts(self.language).gettext(text_id)
        day, clock = self.day(moment), self.clock(moment)
        return text.format(day=day, clock=clock, zone=self.zone_name())

    def _written(self, moment: datetime, pattern: str) -> str:
        written = format_datetime(moment, pattern, tzinfo=self.zone, locale=self.language)
        return written.replace(" ", NO_BREAK)


@cache
def _zone_name(zone: ZoneInfo, language: str) -> str:
    city = get_timezone_location(zone, locale=language, return_city=True)
    return texts(language).gettext("date.zone").format(city=city)
