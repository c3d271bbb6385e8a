"""YAML with the line of each value, and nothing believed."""

from datetime import date

import pytest

from identity.rule_changes.yaml_lines import MAX_DEPTH, UnreadableYaml, load_yaml


def test_every_path_has_its_line():
    document, lines = load_yaml(
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
    document, _ = load_yaml("a: true\nb: 2027-01-31\nc: 3\nd: ~\ne: 'true'\n1: x\n")
    assert document == {
        "a": True,
        "b": date(2027, 1, 31),
        "c": 3,
        "d": None,
        "e": "true",
        1: "x",
    }


def test_an_empty_file_is_nothing():
    assert load_yaml("# nothing\n") == (None, {})


def test_an_alias_may_be_used():
    assert load_yaml("a: &x [1]\nb: *x\n")[0] == {"a": [1], "b": [1]}


def avalanche() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    return "\n".join(lines)


def chain() -> str:
    """Each alias leads to one before: deep, though no line of it is."""
    return "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 3_000))


def merges() -> str:
    wide = ", ".join(f"k{n}: 1" for n in range(1_000))
    return f"a: &a {{{wide}}}\nb:\n" + "  - {<<: *a}\n" * 1_000


def test_what_is_merged_stands_behind_what_is_said():
    document, lines = load_yaml(
        "a: &a\n  hs: one\n  invite: true\nb: &b {hs: two, x: 2}\n"
        "c:\n  <<: *a\n  hs: own\nd:\n  <<: [*b, *a]\n"
    )
    assert document["c"] == {"hs": "own", "invite": True}
    assert document["d"] == {"hs": "two", "x": 2, "invite": True}
    assert (lines["c", "hs"], lines["c", "invite"]) == (7, 3)


@pytest.mark.slow
def test_a_long_file_may_use_an_alias_on_every_line():
    text = "a: &a {hs: one, invite: true}\np:\n" + "".join(
        f"  - .*@domain{n}\\.example: *a\n" for n in range(20_000)
    )
    assert len(load_yaml(text)[0]["p"]) == 20_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3: a stands twice"),
        ("rules:\n  - {a: 1, a: 2}\n", "line 2: a stands twice"),
        (avalanche(), "repeated too often"),
        ("a: &x [*x]\n", "line 1: it contains itself"),
        ("a: " + "[" * (MAX_DEPTH + 1), "line 1: nested too deep"),
        ("a: " + "[" * 300_000, "nested too deep"),
        ("a:\n  !!python/object/apply:os.system [id]\n", "line 2: the tag"),
        ("a: !!python/name:os.system ''\n", "line 1: "),
        ("a: !!bool perhaps\n", "line 1: "),
        ("a: 2027-13-45\n", "line 1: 2027-13-45"),
        ("a: &x [1]\nc:\n  <<: *x\n", "line 1: only mappings can be merged"),
        ("a: &x\n  <<: *x\n", "it contains itself"),
        ("a: &x {b: 1, b: 2}\nc: {<<: *x}\n", "line 1: b stands twice"),
        (chain(), "nested too deep"),
        (merges(), "repeated too often"),
        ("? [a]\n: b\n", "line 1: a key must be"),
        ("a: 1\n---\nb: 2\n", "line 2: "),
        ("a: [1\nb: 2\n", "line 2: "),
        ("a: *nobody\n", "line 1: "),
        ("a: \x00\n", "character"),
    ],
)
def test_what_is_not_ours_is_refused_with_its_line(text, said):
    with pytest.raises(UnreadableYaml) as refused:
        load_yaml(text)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("number", ["1" + ":1" * 1_000_000, "0x" + "f" * 100_000, "9" * 5_000])
def test_a_number_that_takes_long_to_read_is_refused_unread(number):
    with pytest.raises(UnreadableYaml, match=r"line 1: .*too long"):
        load_yaml(f"a: {number}\n")
