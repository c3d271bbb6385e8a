"""What a table says beside an address: whose the column is, whether the person is meant, where the record ends."""

import pytest

from .test_list_columns import chosen
from .test_people_lists import people, rows

BOSS, HERS, HIS = "boss@a.example", "camille@a.example", "jean@b.example"


def told(text):
    return [row.text for row in rows(text) if row.aside]


@pytest.mark.parametrize(
    "header",
    [
        "Nom;Responsable;Mail",
        "Nom;N+1;Mail",
        "Nom;Nom du parent;Mail",
        "Agent;Chef de service;Courriel",
        "Réunion;Organisateur;Mail",
        "Agent;Tél. responsable;Mail pro",
        "Stagiaire;Contact;Mail",
        "Élève;Classe;Contact",
        "Élève;Classe;Mail contact",
        "Classe;x;Contact élève",
        "Employee;Manager;Email",
    ],
)
def test_a_column_beside_somebody_else_may_be_theirs_and_is_never_chosen_unasked(header):
    assert chosen(f"{header}\nDurand;Petit;{BOSS}\n") is None


@pytest.mark.parametrize(
    "header",
    [
        "Responsable;Nom;Mail",
        "Nom;Direction;Mail",
        "Nom;Secrétariat;Mail",
        "Nom de famille;Prénom;Courriel",
        "Nom;Créé le;Mail",
        "Nom;Contact;Mail",
        "Responsable;x;Mail de l'agent",
        "Responsable;x;Votre mail",
    ],
)
def test_a_column_that_is_beside_nobody_else_needs_no_question(header):
    assert people(f"{header}\nDurand;Petit;{HERS}\n") == [HERS]


@pytest.mark.parametrize(
    "header", ["Agent;Mail;Responsable;Mail", "Titulaire;Mail;Suppléant;Mail", "Nom;Mél;Tuteur;Mél"]
)
def test_of_two_columns_of_one_name_that_beside_somebody_else_is_not_taken(header):
    assert people(f"{header}\nDurand;{HERS};Petit;{BOSS}\n") == [HERS]


@pytest.mark.parametrize(
    ("header", "yes", "no"),
    [
        ("À inviter", "oui", "non"),
        ("Inviter", "x", ""),
        ("Invitation", "✓", ""),
        ("Inscrit", "Oui", "Non"),
        ("Participerez-vous ?", "Oui", "Non, je ne peux pas"),
        ("Présent (oui/non)", "oui", "NON"),
        ("Enabled", "True", "False"),
        ("Compte actif", "VRAI", "FAUX"),
        ("Désinscrit", "", "oui"),
        ("Ne pas inviter", "", "x"),
        ("Absent", "", "X"),
        ("Remarque", "", "ne plus inviter"),
        ("Remarque", "", "a quitté le service"),
        ("Remarque", "", "parti"),
        ("Approval Status", "approved", "denied"),
    ],
)
def test_a_person_of_whom_a_column_says_no_is_told(header, yes, no):
    text = f"Nom;Mail;{header}\nD;{HERS};{yes}\nP;{BOSS};{no}\nM;{HIS};{yes}\n"
    assert people(text) == [HERS, HIS]
    assert told(text) == [BOSS]


@pytest.mark.parametrize(
    ("header", "answers"),
    [
        ("Invité", ("Oui", "Non")),  # from outside, as Zoom says
        ("Guest", ("Yes", "No")),
        ("Déjà inscrit ?", ("oui", "non")),
        ("Invitation envoyée", ("oui", "non")),
        ("Participation au repas", ("oui", "non")),
        ("Absences", ("0", "1")),
        ("Présent", ("x", "")),
        ("Inscrit", ("oui", "Non renseigné")),
        ("Parti", ("Parti vert", "Parti bleu")),
    ],
)
def test_an_answer_to_another_question_holds_nobody_back(header, answers):
    text = f"Nom;Mail;{header}\nD;{HERS};{answers[0]}\nM;{HIS};{answers[1]}\n"
    assert people(text) == [HERS, HIS]


@pytest.mark.parametrize(
    "line", [f"Contact;{BOSS}", f"\nPour toute question : ;{BOSS}", f";\nGestionnaire;{BOSS}"]
)
def test_whom_to_ask_below_a_table_is_told(line):
    text = f"Nom;Mail\nD;{HERS}\nM;{HIS}\n{line}\n"
    assert people(text) == [HERS, HIS]
    assert told(text) == [BOSS]


def test_the_word_contact_in_a_column_of_kinds_holds_nobody_back():
    text = f"Type;Nom;Mail\nContact;D;{HERS}\nContact;M;{HIS}\n"
    assert people(text) == [HERS, HIS]


@pytest.mark.parametrize("sender", ["De", "From", "Organisateur"])
def test_who_sent_a_mail_that_was_copied_as_cells_is_told(sender):
    text = f"{sender}\tChef <{BOSS}>\nÀ\tCamille <{HERS}>; Jean <{HIS}>\n"
    assert people(text) == [HERS, HIS]
    assert told(text) == [BOSS]


WEBINAR = (
    "Attendee Report\nHost Details\nAttended,User Name (Original Name),Email\n"
    f"Yes,Boss,{BOSS}\nAttendee Details\nAttended,User Name (Original Name),First Name,Last Name,Email\n"
    f"Yes,C,C,D,{HERS}\nYes,J,J,M,{HIS}\n"
)


def test_below_a_title_in_the_middle_stands_another_table_though_one_of_its_words_is_unknown():
    assert chosen(WEBINAR) is None
    assert people(WEBINAR, "8") == [HERS, HIS]


@pytest.mark.parametrize("mark", ["-", "–", "•", "*", "1.", "2)", "·", "\uf0b7"])
def test_an_item_of_a_list_is_a_person(mark):
    assert people(f"{mark} {HERS}\n{mark}  {HIS}\n") == [HERS, HIS]
    assert people(f"{mark} {HERS}\n{mark} {HIS} (chef)\n") == [HERS]


@pytest.mark.parametrize("sign", ["-", "–"])
def test_beside_people_to_be_added_those_to_be_taken_off_are_told(sign):
    text = f"+ {HERS}\n{sign} {BOSS}\n"
    assert people(text) == []
    assert told(text) == [HERS, BOSS]


@pytest.mark.parametrize("other", [",", "\t", "|"])
def test_a_record_with_another_separator_is_told_with_its_address(other):
    text = f"Nom;Mail\nD;{HERS}\nM{other}{HIS}\n"
    assert people(text) == [HERS]
    assert any(HIS in each for each in told(text))


@pytest.mark.parametrize(
    "header",
    [
        "Adr. mél",
        "Adr. courriel",
        "Adresse élect.",
        "Courrier électronique",
        "Mél. acad.",
        "Adresse mail officielle",
        "Première adresse électronique",
        "Liste des agents",
        "Présents :",
    ],
)
def test_ordinary_words_over_addresses_need_no_question(header):
    assert people(f"{header}\n{HERS}\n{HIS}\n") == [HERS, HIS]
    assert people(f"Nom;{header}\nDurand;{HERS}\n") == [HERS]


@pytest.mark.parametrize("names", [("Participant", "Responsable"), ("Agent", "Manager")])
@pytest.mark.parametrize("separator", [";", "\t", ","])
def test_without_a_header_a_record_that_begins_with_somebody_elses_role_is_told(names, separator):
    text = f"{names[0]}{separator}{HERS}\n{names[1]}{separator}{BOSS}\n"
    assert people(text) == [HERS]
    assert told(text) == [BOSS]


def test_a_list_of_roles_alone_and_a_surname_need_no_question():
    assert people(f"Directeur;{HERS}\nDirectrice;{HIS}\n") == [HERS, HIS]
    assert people(f"Parent;{HERS}\nMartin;{HIS}\n") == [HERS, HIS]


def test_people_are_read_as_programs_for_meetings_write_them():
    text = f"Organisateur : {BOSS}\nParticipants obligatoires : {HERS}\nOptional attendees: {HIS}\n"
    assert people(text) == [HERS, HIS]
    assert told(text) == [BOSS]
