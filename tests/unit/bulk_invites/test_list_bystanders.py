"""Who stands in a list beside the people meant: a manager, a note, a title. None of them is invited unasked."""

import pytest

from domain_rules.bulk_invites.reading import EVERY_ADDRESS, read_people

from .test_list_columns import chosen
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


ROWS = [
    ["c@a.example", "boss@a.example", "perso@home.example"],
    ["j@a.example", "boss@a.example", "j@home.example"],
]


@pytest.mark.parametrize("separator", [";", ",", "\t", " ", "; ", ", "])
@pytest.mark.parametrize("many", [2, 3])
def test_lines_of_as_many_addresses_each_are_columns_and_somebody_says_which(separator, many):
    reading = read_people("\n".join(separator.join(row[:many]) for row in ROWS).encode())
    assert reading.chosen is None
    assert [column.number for column in reading.columns] == [*range(1, many + 1), EVERY_ADDRESS]
    assert [row.text for row in reading.columns[0].rows] == ["c@a.example", "j@a.example"]


@pytest.mark.parametrize("separator", [";", ",", "\t", "|", " ", "; ", ", ", " | "])
@pytest.mark.parametrize("many", [(3, 3), (3, 1), (1, 2), (4, 3)])
def test_lines_of_several_addresses_are_people_or_columns_and_somebody_says_so(separator, many):
    lines = [[f"{a}{n}@a.example" for a in "abcd"[:count]] for n, count in enumerate(many)]
    text = "\n".join(map(separator.join, lines))
    assert read_people(text.encode()).chosen is None
    assert people(text, str(EVERY_ADDRESS)) == [address for line in lines for address in line]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("A inviter", "En copie"),
        ("Mail à inviter", "Mail"),
        ("Personne à inviter", "Mise en copie"),
        ("Email to invite", "Email"),
        ("Mail", "Mail à ne pas inviter"),
        ("Mail", "Inviter"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_column_of_those_to_invite_is_the_one(right, wrong, is_first):
    cells = [(right, "c@a.example"), (wrong, "boss@a.example")]
    head, line = zip(*(cells if is_first else cells[::-1]), strict=True)
    assert people(f"Nom;{';'.join(head)}\nD;{';'.join(line)}\n") == ["c@a.example"]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Mail", "Mail resp. 1"),
        ("Email", "Email famille 1"),
        ("Mail", "Mail sup. 1"),
        ("Mail élève", "Mail rl 1"),
        ("Courriel", "Courriel prof. principal"),
        ("Mail", "Mail chargé de mission bureau"),
        ("Mail", "Mail pro établissement"),
        ("Mail", "Mail générique du service"),
        ("Email", "Email HRBP work"),
        ("Attendee email", "Host email"),
        ("Mail participant", "Mail organisateur"),
        ("Mail invités", "Mail excusés"),
        ("Mail", "Mail désinscrit"),
        ("Email", "Next of kin email"),
        ("Mail", "Mail zorglub 1"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_mailbox_of_somebody_unknown_is_never_likelier_than_a_plain_one(right, wrong, is_first):
    cells = [(right, "c@a.example"), (wrong, "boss@a.example")]
    head, line = zip(*(cells if is_first else cells[::-1]), strict=True)
    assert people(f"Nom;{';'.join(head)}\nD;{';'.join(line)}\n") == ["c@a.example"]


def test_the_mailbox_of_a_school_is_not_chosen_before_that_of_a_person():
    found = chosen("Nom;Mail établissement;Mail personnel\nx;ce@a.example;e@a.example\n")
    assert found is None or found.number != 2
