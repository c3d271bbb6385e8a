"""Packed words give the numbers that a dictionary gives, and none for what it does not know."""

from hypothesis import example, given, strategies as st

from identity.registration.passwords import packed_words, word_lists
from identity.registration.passwords.packed_words import PackedWords
from identity.registration.passwords.words import ranks

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
