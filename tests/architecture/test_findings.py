"""Every finding of doctor can be said in both languages: it has a code, a sentence, and what stands in it."""

import ast
import string
from pathlib import Path

import pytest

from identity.core.findings import sentences
from identity.translations import LANGUAGES, texts

ROOT = Path(__file__).parents[2] / "identity"
CHECKS = [*sorted((ROOT / "health" / "checks").glob("*.py")), ROOT / "health" / "faults.py"]
# A call of these makes a finding: the number of its code among the arguments.
MAKERS = {"found": 2, "_fault": 1, "findings_or_silence": 1}
OF_FAULTS = "fault.code"  # the code of what faults.py found, which is walked itself
NOT_SAID = {"is_failure"}


def codes_of(node: ast.expr, function: ast.AST) -> list[str]:
    """The codes that an argument may be: a text, one of two, or a variable that is given such."""
    match node:
        case ast.Constant(value=str(code)):
            return [code]
        case ast.IfExp():
            return [*codes_of(node.body, function), *codes_of(node.orelse, function)]
        case ast.Name():
            given = [
                (target, each.value)
                for each in ast.walk(function)
                if isinstance(each, ast.Assign)
                for target in each.targets
            ]
            pairs = [
                pair
                for target, value in given
                for pair in (
                    zip(target.elts, value.elts, strict=True)
                    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                    else [(target, value)]
                )
            ]
            return [
                code
                for target, value in pairs
                if isinstance(target, ast.Name) and target.id == node.id
                for code in codes_of(value, function)
            ]
        case ast.Call(func=ast.Attribute(value=ast.Name(id="HELD"))):
            return ["held", "held_begun", "held_went_back"]
        case _:
            assert ast.unparse(node) == OF_FAULTS, ast.unparse(node)
            return []


def made() -> list[tuple[str, str, frozenset[str]]]:
    """Of every finding that some check makes: where, its code, and the names of its values."""
    found = []
    for path in CHECKS:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [each for each in tree.body if isinstance(each, ast.FunctionDef)]
        for function, node in ((one, node) for one in functions for node in ast.walk(one)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            assert node.func.id != "Finding", f"{path.name}: {node.lineno} has no code"
            if node.func.id in MAKERS:
                values = frozenset(each.arg or "" for each in node.keywords) - NOT_SAID
                where = f"{path.name}:{node.lineno}"
                codes = codes_of(node.args[MAKERS[node.func.id]], function)
                found += [(where, code, values) for code in codes]
    return found


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def all_codes() -> set[str]:
    names = [name for name in texts("en")._catalog if str(name).startswith("finding.")]
    return {str(name).split(".")[1] for name in names if not str(name).startswith("finding.what.")}


def test_every_check_makes_findings_with_a_code_and_all_sentences_are_used():
    codes = {code for _, code, _ in made()}
    assert len(codes) > 100
    assert codes == all_codes()


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_stands_in_a_sentence_is_given(language):
    known = texts(language)
    for where, code, values in made():
        told = known.gettext(f"finding.{code}.told")
        fix = known._catalog.get(f"finding.{code}.fix", "")
        missing = (blanks(told) | blanks(fix)) - values
        assert not missing, f"{where}: {code} lacks {missing}"


def test_no_french_sentence_is_the_english_one():
    same = set()
    for code in all_codes():
        values = dict.fromkeys(blanks_of(code), "x")
        english, french = (sentences(code, values, language) for language in ("en", "fr"))
        assert bool(english[1]) == bool(french[1]), code
        if english[0] == french[0]:
            same.add(code)
    assert same == set()


def blanks_of(code: str) -> set[str]:
    known = texts("en")
    return blanks(known.gettext(f"finding.{code}.told")) | blanks(
        known._catalog.get(f"finding.{code}.fix", "")
    )
