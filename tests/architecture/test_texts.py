"""Every text exists in both languages, every id that is used has one, and none lies about unused."""

import ast
import re
import string
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from identity.translations import FOLDER, LANGUAGES

IDENTITY = FOLDER.parent
ID = re.compile(r"[a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+")
QUOTED = re.compile(rf"""["']({ID.pattern})["']""")
ENDPOINT = re.compile(r"""url_for\(["'][\w.]+["']""")  # of a page, which has the same form
OPEN_ENDED = re.compile(r"""["']([a-z][a-z0-9_.-]*\.)["'] *~""")  # Jinja: t("problem." ~ name)


@cache
def catalogue(language: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted((FOLDER / language).glob("*.po")):
        with path.open("rb") as source:
            for message in read_po(source, locale=language):
                if message.id:
                    name = message.id if isinstance(message.id, str) else message.id[0]
                    assert name not in found, f"{name} stands twice"
                    found[name] = (
                        (message.string,)
                        if isinstance(message.string, str)
                        else tuple(message.string)
                    )
    return found


@cache
def used() -> tuple[frozenset[str], frozenset[str]]:
    """Ids written out in templates and code, and beginnings of ids that are put together."""
    known = {name.partition(".")[0] for name in catalogue("fr")}
    whole, begun = set(), set()
    for path in templates():
        text = ENDPOINT.sub("", path.read_text(encoding="utf-8"))
        whole |= set(QUOTED.findall(text))
        begun |= set(OPEN_ENDED.findall(text))
    for path in IDENTITY.rglob("*.py"):
        if IDENTITY / "migrations" in path.parents:  # names of columns have the same form
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        actions = {  # of the journal, which have the same form, and endpoints
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword) and node.arg == "action"
        } | {
            id(node.args[0])
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "url_for" and node.args
        }
        for node in ast.walk(tree):
            if id(node) in actions:
                continue
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                begun.add(str(node.values[0].value))
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and ID.fullmatch(node.value)
            ):
                whole.add(node.value)
    ours = frozenset(name for name in whole if name.partition(".")[0] in known)
    return ours, frozenset(
        start for start in begun if "." in start and start.partition(".")[0] in known
    )


def templates() -> list[Path]:
    return [path for path in IDENTITY.rglob("templates/**/*") if path.is_file()]


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_have_the_same_texts():
    assert LANGUAGES == ("fr", "en")
    assert catalogue("fr").keys() == catalogue("en").keys()
    assert len(catalogue("fr")) > 50


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty(language):
    assert not [name for name, texts in catalogue(language).items() if not all(texts)]


def test_both_languages_fill_in_the_same_facts():
    for name, texts in catalogue("fr").items():
        others = catalogue("en")[name]
        wanted = set().union(*map(blanks, texts))
        assert set().union(*map(blanks, others)) == wanted, name


def test_every_id_that_is_used_has_a_text():
    whole, begun = used()
    assert sorted(whole - catalogue("fr").keys()) == []
    assert not [
        start for start in begun if not any(name.startswith(start) for name in catalogue("fr"))
    ]


def test_no_text_lies_about_unused():
    whole, begun = used()
    unused = {
        name
        for name in catalogue("fr")
        if name not in whole and not name.startswith(tuple(begun) or ("\0",))
    }
    assert sorted(unused) == []


def test_french_keeps_its_no_break_spaces_and_nobody_shouts():
    for language in LANGUAGES:
        for name, texts in catalogue(language).items():
            assert not [text for text in texts if "!" in text], f"{language}: {name}"
    for name, texts in catalogue("fr").items():
        assert not [text for text in texts if re.search(r" [:;?»]|« ", text)], name
