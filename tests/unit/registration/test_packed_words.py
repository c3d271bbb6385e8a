"""Packed words give the numbers that a dictionary gives, and none for what it does not know."""

import logging
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import example, given, strategies as st

from identity.registration.passwords import packed_words, word_lists, words
from identity.registration.passwords.packed_words import PackedWords
from identity.registration.passwords.words import ranks, read_once

WORDS = st.text("abé☃", min_size=1, max_size=4)


@given(words=st.dictionaries(WORDS, st.integers(1, 2**31)), others=st.sets(WORDS))
@example({}, {"a"})
@example({"ab": 1, "ba": 2}, {"b", "bb", "zz", ""})
def test_they_are_what_the_dictionary_is(words, others):
    packed = PackedWords.read(packed_words.write(words))
    assert len(packed) == len(words)
    assert {word: packed.get(word) for word in words} == words
    assert [packed.get(each) for each in others] == [words.get(each) for each in others]


def test_what_has_the_mark_of_another_word_is_none(monkeypatch):
    monkeypatch.setattr(packed_words, "PLACES", 1)
    packed = PackedWords.read(packed_words.write({"ab": 1, "ad": 2}))
    assert [packed.get(each) for each in ("aa", "ac", "ae", "abc", "")] == [None] * 5


def test_the_words_of_a_process_are_those_of_the_lists():
    found = word_lists.read()
    assert len(ranks()) == len(found) > 200_000
    assert all(ranks().get(word) == rank for word, rank in found.items())


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Called with lines of a shell, it makes of them what is started as Python."""

    def put(*lines):
        program = tmp_path / "python"
        program.write_text("\n".join(("#!/bin/sh", *lines, "")))
        program.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(program))

    return put


def test_the_process_that_makes_them_is_told_no_secret(python, tmp_path, monkeypatch):
    monkeypatch.setenv("GUICHET_SECRET_KEY", "not for it")
    monkeypatch.setenv("PGPASSWORD", "not for it")
    python(f"env > {tmp_path}/told", f'exec {sys.executable} "$@"')
    assert len(read_once.__wrapped__()) == len(ranks())
    told = (tmp_path / "told").read_text()
    assert "PYTHONPATH=" in told
    assert "not for it" not in told


def test_the_process_that_makes_them_takes_no_module_of_the_folder_it_is_started_in(
    tmp_path, monkeypatch, caplog
):
    (tmp_path / "spellchecker.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    assert len(read_once.__wrapped__()) == len(ranks())
    assert not caplog.records


@pytest.mark.parametrize("line", ["exit 3", "kill -9 $$", "exec sleep 600", None])
def test_where_no_process_makes_them_this_one_does(python, monkeypatch, caplog, line):
    monkeypatch.setattr(words, "PATIENCE", 1.0)
    if line:
        python(line)
    else:
        monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with caplog.at_level(logging.WARNING, words.__name__):
        assert len(read_once.__wrapped__()) == len(ranks())
    assert "made in this process" in caplog.text


def test_threads_that_ask_at_once_start_one_process(python, tmp_path):
    python(f"echo started >> {tmp_path}/told", f'exec {sys.executable} "$@"')
    read_once.cache_clear()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: ranks(), range(4)))
    assert all(each is found[0] for each in found)
    assert (tmp_path / "told").read_text() == "started\n"
