"""From facts to subject, text and HTML; templates are compiled once per process."""

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from identity.core import templates
from identity.core.dates import day, day_of_a_year, in_words, until
from identity.translations import texts

FOLDERS: Final = tuple(folder / "mails" for folder in templates.FOLDERS)
BETWEEN_LANGUAGES: Final = "\n\n* * *\n\n"
WIDTH: Final = 72
CODE_GROUP: Final = 4  # digits that stand together
BLANK_LINES: Final = re.compile(r"\n{3,}")
# Line breaks and other controls, and what turns the direction of the text around it.
UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class Written:
    """The three texts of one mail; without `html` it is plain text alone."""

    subject: str
    text: str
    html: str | None


def write(
    template: str, languages: tuple[str, ...], templates_dir: Path | None, facts: dict[str, Any]
) -> Written:
    """In one language, or in several one after the other."""
    facts = {name: _within_its_line(fact) for name, fact in facts.items()}
    parts = [
        _in_one_language(template, language, templates_dir, facts | {"heading_level": level})
        for level, language in zip((1, 2), languages, strict=False)
    ]
    subject = " / ".join(part.subject for part in parts)
    frame = _environment(templates_dir, languages[0], is_html=True).get_template("layout.html")
    html = frame.render(
        facts,
        subject=subject,
        bodies=[
            (language, Markup(part.html or ""))  # noqa: S704  rendered with escaping just above
            for language, part in zip(languages, parts, strict=True)
        ],
    )
    return Written(subject, BETWEEN_LANGUAGES.join(part.text for part in parts) + "\n", html)


def grouped(code: str) -> str:
    """A code as people read it: "4829 1375"."""
    return " ".join(code[start : start + CODE_GROUP] for start in range(0, len(code), CODE_GROUP))


def by_the_operator(
    path: Path, subject: str, languages: tuple[str, ...], facts: dict[str, Any]
) -> Written:
    """The operator's own text in place of a whole mail; our subject, and no HTML.

    A name that the template asks for and we do not know stays empty: the mail must leave.
    """
    facts = {name: _within_its_line(fact) for name, fact in facts.items()}
    template = Environment(autoescape=False).from_string(path.read_text(encoding="utf-8"))  # noqa: S701  plain text
    return Written(
        " / ".join(
            _environment(None, language, is_html=False)
            .get_template(f"{subject}.subject")
            .render(facts)
            .strip(" \n")
            for language in languages
        ),
        template.render(facts) + "\n",
        None,
    )


def _in_one_language(
    template: str, language: str, templates_dir: Path | None, facts: dict[str, Any]
) -> Written:
    plain = _environment(templates_dir, language, is_html=False)
    rich = _environment(templates_dir, language, is_html=True)
    subject = plain.get_template(f"{template}.subject").render(facts)
    text = plain.get_template(f"{template}.txt").render(facts)
    return Written(
        subject=subject.strip(" \n"),
        text=_wrapped(BLANK_LINES.sub("\n\n", text).strip()),
        html=rich.get_template(f"{template}.html").render(facts),
    )


def _wrapped(text: str) -> str:
    """No line longer than mail programs like, but for what must stay whole: a link."""
    return "\n".join(
        textwrap.fill(line, WIDTH, break_long_words=False, break_on_hyphens=False)
        for line in text.split("\n")
    )


@cache
def _environment(templates_dir: Path | None, language: str, *, is_html: bool) -> Environment:
    """Where a template is looked up: the operator's for this language first, then ours."""
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
        t=_html_texts(language) if is_html else _plain_texts(language),
        date=partial(_spoken, in_words, language),
        until=partial(_spoken, until, language),
        day=partial(_spoken, day, language),
        day_of_a_year=partial(_spoken, day_of_a_year, language),
        without_scheme=_without_scheme,
        grouped=grouped,
    )
    return environment


def _within_its_line(fact: Any) -> Any:
    """Some facts come from people; none may add a line, or turn one around."""
    if isinstance(fact, tuple):
        return tuple(map(_within_its_line, fact))
    return UNPRINTABLE.sub(" ", fact) if isinstance(fact, str) else fact


def _spoken(say: Callable[..., str], language: str, *moments: datetime) -> str:
    return say(*moments, language)


def _plain_texts(language: str) -> Callable[..., str]:
    def text(text_id: str, **facts: Any) -> str:
        return texts(language).gettext(text_id).format(**facts)

    return text


def _html_texts(language: str) -> Callable[..., Markup]:
    def text(text_id: str, **facts: Any) -> Markup:
        # Markup.format escapes every fact that is not markup already.
        return Markup(escape(texts(language).gettext(text_id))).format(**facts)  # noqa: S704  escaped here

    return text


def _without_scheme(url: str) -> str:
    """How a person reads an address: `mailto:` is for programs."""
    parts = urlsplit(url)
    return unquote(parts.path) if parts.scheme == "mailto" else url
