"""Which column of a list holds the addresses: one for the whole file, or nobody is invited before somebody says so."""

import pytest

from domain_rules.bulk_invites.headers import is_header
from domain_rules.bulk_invites.reading import EVERY_ADDRESS, NoSuchColumn, read_people

from .test_people_lists import people


def table(header, *lines, separator=";"):
    return "".join(f"{separator.join(line)}\r\n" for line in (header, *lines))


def chosen(text, column=""):
    return read_people(text.encode(), column).chosen


HERS, OTHER = "camille@agents.example", "other@elsewhere.example"
HEADERS = [
    ("Adresse", "Responsable"),
    ("Courriel professionnel", "Courriel personnel"),
    ("Courriel", "Courriel du responsable"),
    ("Courriel", "Courriel pro du N+1"),
    ("E-mail", "Manager's e-mail"),
    ("Email", "Manager Email"),
    ("Mél.", "Mél. du chef d'établissement"),
    ("mail", "manager"),
    ("mail", "userPrincipalName"),
    ("mailPro", "mailPerso"),
    ("EMAIL_PRO", "EMAIL_PRIVE"),
    ("adresse_mail_pro", "adresse_mail_perso"),
    ("Adresse électronique", "Adresse électronique secondaire"),
    ("Adresse de messagerie", "Adresse de messagerie 2"),
    ("Adresse mail", "Contact d'urgence"),
    ("E-mail Address", "E-mail 2 Address"),
    ("E-mail 1 - Value", "E-mail 2 - Value"),
    ("Primary Email", "Secondary Email"),
    ("Work Email", "Home Email"),
    ("Email Address [Required]", "Recovery Email"),
    ("User principal name", "Alternate email address"),
    ("Courriel de l'agent", "Créé par"),
    ("Adresse mail du participant", "Adresse mail du tuteur"),
    ("Courriel (prenom.nom@agents.example)", "Remarques"),
    ("E-mail Address", "E-mail Display Name"),
    ("@ mail", "Expéditeur"),
]


@pytest.mark.parametrize(("right", "wrong"), HEADERS)
@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("is_first", [True, False])
def test_the_words_over_a_column_say_whose_addresses_stand_below(right, wrong, separator, is_first):
    cells = [(right, HERS), (wrong, OTHER)] if is_first else [(wrong, OTHER), (right, HERS)]
    header, line = zip(*cells, strict=True)
    text = table((*header, "Nom"), (*line, "Durand"), separator=separator)
    assert people(text) == [HERS]
    assert chosen(text).elsewhere == 1


UNSAID = [
    (table(("Courriel", "E-mail"), (HERS, OTHER)), [1, 2]),
    (table(("Nom", "Courriel du responsable"), ("Durand", OTHER)), [2]),
    (table(("Responsable", "Nom"), (OTHER, "Durand")), [1]),
    (table(("Mail parent 1", "Mail parent 2"), (HERS, OTHER)), [1, 2]),
    (table(("Nom", "Commentaire"), ("Durand", OTHER)), [2]),
    (f"{OTHER};Durand;{HERS}\n{OTHER};Martin;jean@agents.example\n", [1, 3]),
    (f"Durand;{HERS};{OTHER}\n", [2, 3]),
    (f"{HERS};{OTHER}\njean@agents.example;jean@elsewhere.example\n", [1, 2, EVERY_ADDRESS]),
    (f"{HERS};{OTHER}\njean@agents.example\n", [1, 2, EVERY_ADDRESS]),
]


@pytest.mark.parametrize(("text", "numbers"), UNSAID)
def test_where_the_words_do_not_say_it_nobody_is_chosen_for_anybody(text, numbers):
    reading = read_people(text.encode())
    assert reading.chosen is None
    assert [column.number for column in reading.columns] == numbers


def test_another_column_is_read_by_number_by_name_or_every_address_where_there_is_no_table():
    two = table(("Nom", "Courriel professionnel", "Courriel personnel"), ("Durand", HERS, OTHER))
    for column in ("3", " 3 ", "Courriel personnel", "courriel_PERSONNEL"):
        assert people(two, column) == [OTHER]
    for column in ("1", "Nom", "0", "Courriel", "7"):
        with pytest.raises(NoSuchColumn):
            read_people(two.encode(), column)
    none = f"{HERS};{OTHER}\njean@agents.example;jean@elsewhere.example\n"
    assert people(none, "0") == [HERS, OTHER, "jean@agents.example", "jean@elsewhere.example"]


def test_without_a_header_two_columns_of_addresses_are_a_question_however_many_stand_in_one():
    lines = "".join(f"Nom{n};n{n}@agents.example;\n" for n in range(40))
    reading = read_people(f"{lines}Martin;j@agents.example;{OTHER}\n".encode())
    assert reading.chosen is None
    assert [(each.number, each.addresses) for each in reading.columns] == [(2, 41), (3, 1)]


def test_the_column_is_shown_with_its_name_and_two_examples():
    text = table(("Nom", "Mél."), *[(f"N{n}", f"N{n} <n{n}@a.example>") for n in range(5)])
    found = chosen(text)
    assert (found.number, found.name, found.addresses) == (2, "Mél.", 5)
    assert found.examples == ("N0 <n0@a.example>", "N1 <n1@a.example>")


def test_the_names_of_columns_may_stand_below_a_title_and_a_number_sign():
    text = f"Export des courriels\n\n# mars 2026\n#;Nom;Courriel\n1;Durand;{HERS}\n2;Gil;\n"
    assert people(text) == [HERS]
    assert chosen(text).name == "Courriel"
    assert [row.line for row in chosen(text).rows] == [5, 6]


@pytest.mark.parametrize(
    "cells",
    [["Durand", "Camille"], ["Jean Martin"], ["Durand", "pas de mail"], ["Иван", "Петров"], ["1", "2"]],
)  # fmt: skip
def test_a_first_row_of_a_person_without_an_address_is_no_header(cells):
    assert not is_header(cells)
    text = ";".join([*cells, ""]) + f"\nMartin;Jean;{HERS}\n"
    assert chosen(text).rows[0].line == 1
