"""Renders a mail's subject, plain text and HTML from facts by Jinja templates."""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from identity.core import templates
from identity.core.dates import Dates
from identity.translations import texts

FOLDERS: Final = tuple(folder / "mails" for folder in templates.FOLDERS)
BETWEEN_LANGUAGES: Final = "\n\n* * *\n\n"
WIDTH: Final = 72
CODE_GROUP: Final = 4  # digits in a group
BLANK_LINES: Final = re.compile(r"\n{3,}")
# Line breaks and other control characters, and marks that change the direction of text.
UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class RenderedMail:
    """The three texts of one mail; `html` is None for plain text only."""

    subject: str
    text: str
    html: str | None


def render_mail(
    template: str,
    all_dates: Sequence[Dates],
    templates_dir: Path | None,
    facts: dict[str, Any],
) -> RenderedMail:
    """Render a template in one language, or in several one after the other.

    `all_dates`: the dates, and so the language, of each. `templates_dir`: the operator's own
    templates, searched before ours. `facts`: the template's variables.
    """
    facts = {name: _on_one_line(fact) for name, fact in facts.items()}
    parts = [
        _in_one_language(template, dates, templates_dir, facts | {"heading_level": level})
        for level, dates in zip((1, 2), all_dates, strict=False)
    ]
    subject = " / ".join(part.subject for part in parts)
    frame = _environment(templates_dir, all_dates[0], is_html=True).get_template("layout.html")
    html = frame.render(
        facts,
        subject=subject,
        bodies=[
            (dates.language, Markup(part.html or ""))  # noqa: S704  rendered with escaping just above
            for dates, part in zip(all_dates, parts, strict=True)
        ],
    )
    return RenderedMail(subject, BETWEEN_LANGUAGES.join(part.text for part in parts) + "\n", html)


def group_digits(code: str) -> str:
    """A code in the form people read: "4829 1375"."""
    return " ".join(code[start : start + CODE_GROUP] for start in range(0, len(code), CODE_GROUP))


def render_operator_text(
    path: Path, subject: str, all_dates: Sequence[Dates], facts: dict[str, Any]
) -> RenderedMail:
    """Render the operator's own text in place of a whole mail, with our subject and no HTML.

    A variable that the operator's text uses and we do not know is empty: the mail must still be
    sent.
    """
    facts = {name: _on_one_line(fact) for name, fact in facts.items()}
    template = Environment(autoescape=False).from_string(path.read_text(encoding="utf-8"))  # noqa: S701  plain text
    return RenderedMail(
        " / ".join(
            _environment(None, dates, is_html=False)
            .get_template(f"{subject}.subject")
            .render(facts)
            .strip(" \n")
            for dates in all_dates
        ),
        template.render(facts) + "\n",
        None,
    )


def _in_one_language(
    template: str, dates: Dates, templates_dir: Path | None, facts: dict[str, Any]
) -> RenderedMail:
    plain = _environment(templates_dir, dates, is_html=False)
    rich = _environment(templates_dir, dates, is_html=True)
    subject = plain.get_template(f"{template}.subject").render(facts)
    text = plain.get_template(f"{template}.txt").render(facts)
    return RenderedMail(
        subject=subject.strip(" \n"),
        text=_wrapped(BLANK_LINES.sub("\n\n", text).strip()),
        html=rich.get_template(f"{template}.html").render(facts),
    )


def _wrapped(text: str) -> str:
    """The text in lines of at most WIDTH characters, except where a link must stay whole."""
    return "\n".join(
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


@cache
def _environment(templates_dir: Path | None, dates: Dates, *, is_html: bool) -> Environment:
    """The Jinja environment: the operator's templates for this language first, then ours."""
    language = dates.language
    own = [] if templates_dir is None else [templates_dir / language]
    environment = Environment(
        loader=FileSystemLoader([*own, *FOLDERS]),
        autoescape=is_html,  # noqa: S701  subject and text part are not HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(
        language=language,
        t=partial(_html_text if is_html else _plain_text, language),
        date=dates.in_words,
        until=dates.until,
        day=dates.day,
        day_of_a_year=dates.day_of_a_year,
        without_scheme=_without_scheme,
        grouped=group_digits,
    )
    return environment


def _on_one_line(fact: Any) -> Any:
    """The fact without line breaks and direction marks: some facts are typed by people."""
    if isinstance(fact, tuple):
        return tuple(map(_on_one_line, fact))
    return UNPRINTABLE.sub(" ", fact) if isinstance(fact, str) else fact


def _plain_text(language: str, text_id: str, **facts: Any) -> str:
    return texts(language).gettext(text_id).format(**facts)


def _html_text(language: str, text_id: str, **facts: Any) -> Markup:
    # Markup.format escapes every fact that is not markup already.
    return escape(texts(language).gettext(text_id)).format(**facts)


def _without_scheme(url: str) -> str:
    """An address in the form people read: without `mailto:`."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "mailto" else url
