"""Who stands in a list beside the people meant: a manager, a note, a title. None of them is invited unasked."""

import pytest

from .test_people_lists import people

NOTES = [
    'c@a.example;"note\nboss@a.example\nfin"\ne@a.example;\n',
    'c@a.example;"note\nboss@a.example\nrh@a.example\nfin"\ne@a.example;\n',
    'c@a.example;"note\nboss@a.example, rh@a.example\nfin"\ne@a.example;\n',
    'c@a.example\t"note\nboss@a.example\nrh@a.example"\ne@a.example\t\n',
    'D|c@a.example|"note\nboss@a.example\nrh@a.example\nx@a.example"\nE|e@a.example|\n',
    '"note\nboss@a.example\nrh@a.example";c@a.example\n;e@a.example\n',
]


@pytest.mark.parametrize("text", NOTES)
def test_an_address_in_a_note_of_several_lines_is_nobody_without_a_header_either(text):
    assert people(text) == ["c@a.example", "e@a.example"]


def test_a_note_of_several_lines_that_is_all_there_is_names_nobody():
    assert people('D;"note\nboss@a.example\nfin"\n') == []
