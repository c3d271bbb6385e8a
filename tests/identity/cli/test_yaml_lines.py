"""YAML with the line of each value, and nothing believed."""

from datetime import date

import pytest

from identity.cli.yaml_lines import DEEPEST, UnreadableYaml, load


def test_every_path_has_its_line():
    document, lines = load(
        "# a comment\nrules:\n  - domain: a.example\n    note:\n      b\n  - x\n"
    )
    assert document == {"rules": [{"domain": "a.example", "note": "b"}, "x"]}
    assert lines == {
        (): 2,
        ("rules",): 2,
        ("rules", 0): 3,
        ("rules", 0, "domain"): 3,
        ("rules", 0, "note"): 4,
        ("rules", 1): 6,
    }


def test_values_have_the_types_of_yaml():
    document, _ = load("a: true\nb: 2027-01-31\nc: 3\nd: ~\ne: 'true'\n1: x\n")
    assert document == {
        "a": True,
        "b": date(2027, 1, 31),
        "c": 3,
        "d": None,
        "e": "true",
        1: "x",
    }


def test_an_empty_file_is_nothing():
    assert load("# nothing\n") == (None, {})


def test_an_alias_may_be_used():
    assert load("a: &x [1]\nb: *x\n")[0] == {"a": [1], "b": [1]}


def avalanche() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: a stands twice"),
        ("rules:\n  - {a: 1, a: 2}\n", "line 2: a stands twice"),
        (avalanche(), "repeated too often"),
        ("a: &x [*x]\n", "line 1: it contains itself"),
        ("a: " + "[" * (DEEPEST + 1), "line 1: nested too deep"),
        ("a: " + "[" * 300_000, "nested too deep"),
        ("a:\n  !!python/object/apply:os.system [id]\n", "line 2: the tag"),
        ("a: !!python/name:os.system ''\n", "line 1: "),
        ("a: !!bool perhaps\n", "line 1: "),
        ("a: 2027-13-45\n", "line 1: 2027-13-45"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", "line 3: a key must be"),
        ("? [a]\n: b\n", "line 1: a key must be"),
        ("a: 1\n---\nb: 2\n", "line 2: "),
        ("a: [1\nb: 2\n", "line 2: "),
        ("a: *nobody\n", "line 1: "),
        ("a: \x00\n", "character"),
    ],
)
def test_what_is_not_ours_is_refused_with_its_line(text, said):
    with pytest.raises(UnreadableYaml) as refused:
        load(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
