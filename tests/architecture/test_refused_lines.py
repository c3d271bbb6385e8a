"""Every reason for which a line of a file of rules is refused can be said in both languages."""

import ast
import string
from pathlib import Path

import pytest

from domain_rules.address_faults import ADDRESS_FAULT_SENTENCES, AddressFault, InvalidAddress
from domain_rules.reasons import REASONS
from identity.routing import never_agent
from identity.rule_changes.imports import say_refused
from identity.translations import LANGUAGES, texts

ROOT = Path(__file__).parents[2]
READERS = [
    *sorted((ROOT / "domain_rules").glob("*.py")),
    ROOT / "domain_rules" / "info_yaml" / "reading.py",
    ROOT / "identity" / "rule_changes" / "files.py",
]
ELSEWHERE = {  # sentences that stand beside what they are about
    **{f"address_{each.value}": ADDRESS_FAULT_SENTENCES[each] for each in AddressFault},
    **{each.code: str(each) for each in never_agent.REASONS},
}
# Whose reason is the last argument.
MAKERS = {"LineFault", "add_fault", "_fault", "InvalidRule"}


def calls():
    """Every call in the readers of files: where, the name of what is called, and the call."""
    for path in READERS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
                yield f"{path.name}:{node.lineno}", name, node


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_no_line_is_refused_in_words_that_have_no_code():
    plain = [
        where
        for where, name, node in calls()
        if name in MAKERS and node.args and isinstance(node.args[-1], ast.Constant | ast.JoinedStr)
    ]
    assert plain == []


def test_every_reason_is_used_with_what_stands_in_it():
    used = set()
    for where, name, node in calls():
        if name != "reason" or not isinstance(node.args[0], ast.Constant):
            continue
        code, given = node.args[0].value, {each.arg for each in node.keywords}
        assert blanks(REASONS[code]) == given, where
        used.add(code)
    put_together = {"homeserver_to_add", "homeserver_to_add_one"}
    assert used | put_together | {f"{each}_near" for each in put_together} == REASONS.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_its_text(language):
    known = texts(language)
    for code, english in {**REASONS, **ELSEWHERE}.items():
        said = known.gettext(f"refused_line.{code}")
        assert blanks(said) == blanks(english), code
        assert (said == english) == (language == "en"), code


def test_a_refused_line_is_said_in_the_language_of_the_reader():
    stored = {"line": 3, "text": "x", "reason": "in English", "code": "rule_twice"}
    french = say_refused({**stored, "values": {"line": 2}}, "fr")
    assert french["reason"] == "la ligne 2 a une autre règle pour la même chose"
    assert french["said_in"] == "fr"


@pytest.mark.parametrize(
    "stored",
    [{}, {"code": "of a later version", "values": {}}, {"code": "rule_twice", "values": {}}],
)
def test_what_cannot_be_said_stays_english(stored):
    said = say_refused({"line": 3, "text": "x", "reason": "in English", **stored}, "fr")
    assert (said["reason"], said["said_in"]) == ("in English", "en")


def test_an_address_that_is_refused_says_which_fault_it_has():
    fault = InvalidAddress(AddressFault.NO_AT).sentence
    assert (fault, fault.code, fault.values) == ("The @ is missing.", "address_no_at", {})
