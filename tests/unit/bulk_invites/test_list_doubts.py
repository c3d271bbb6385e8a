"""Where a list leaves a doubt nobody is chosen for anybody: a row is told, or somebody must say which column is meant."""

import pytest

from domain_rules.bulk_invites.reading import EVERY_ADDRESS, read_people

from .test_list_columns import chosen
from .test_people_lists import people, rows

BOSS, HERS, HIS = "boss@a.example", "camille@a.example", "jean@b.example"

SOMEBODY_ELSES = [
    "Saisi par",
    "Qui est votre supérieur ?",
    "Manager",
    "Reports to",
    "Courriel du N+1",
    "N1",
    "Mail à exclure",
    "Mails des exclus",
    "Ne pas contacter",
    "Do not contact",
    "Do not email",
    "Unsubscribed emails",
    "Email (opted out)",
    "Désinscrits",
    "Absents excusés",
    "En copie",
    "Mail du principal",
    "Mail du service",
    "Adresse de l'établissement",
    "Personne à prévenir",
    "Interlocuteur",
    "Approver",
    "Zorglub",
    "Почта",
    "Mail de la personne qui valide les demandes de congé, ou de celle qui la remplace quand elle est absente",
]
HERS_SAID = [
    "Adresse e-mail",
    "Quelle est votre adresse mail professionnelle ?",
    "Courriel de l'agent",
    "Mél.",
    "EmailAddress1",
    "E-mail principal",
    "Participants",
    "Adresse de messagerie (prenom.nom@agents.example)",
    "Nom d'utilisateur",
    "userPrincipalName",
    "Personnes à inviter",
]


@pytest.mark.parametrize("header", SOMEBODY_ELSES)
def test_a_column_that_may_be_somebody_elses_is_never_chosen_unasked(header):
    for text in (
        f"Nom;{header}\nDurand;{BOSS}\nMartin;{BOSS}\n",
        f"Horodateur;Nom;{header}\n12/3;Durand;{BOSS}\n",
        f"{header}\n{BOSS}\n{HIS}\n",
        f'"{header}"\n{BOSS}\n',
        f"\n{header}\n\n{BOSS}\n",
    ):
        (column,) = read_people(text.encode()).columns
        assert chosen(text) is None
        assert column.name
        assert column.name.rstrip("…") in header
        assert BOSS in people(text, str(column.number))


@pytest.mark.parametrize("header", HERS_SAID)
def test_a_column_whose_every_word_says_it_is_of_the_people_meant_is_chosen(header):
    assert people(f"Nom;{header}\nDurand;{HERS}\n") == [HERS]
    assert people(f"{header}\n{HERS}\n{HIS}\n") == [HERS, HIS]


@pytest.mark.parametrize(
    "text",
    [
        f"Nom;\nDurand;{BOSS}\n",
        f"Agent;;Responsable;\nDurand;76;Petit;{BOSS}\n",
        f"Agent;;Responsable;\nNom;Ville;Nom;Mail\nDurand;Rouen;Petit;{BOSS}\n",
        f"Élèves de 3B;;Famille;\nNom;Ville;Nom;Mail\nDurand;Rouen;Petit;{BOSS}\n",
    ],
)
def test_below_a_merged_header_an_address_is_of_whom_the_merged_cell_names(text):
    assert text.startswith("Nom;\n") or chosen(text) is None


def test_of_two_merged_headers_that_of_the_agent_is_chosen():
    text = f"Agent;;Responsable;\nNom;Mail;Nom;Mail\nDurand;{HERS};Petit;{BOSS}\n"
    assert people(text) == [HERS]
    assert chosen(text).name == "Agent Mail"


@pytest.mark.parametrize(
    "above",
    [
        f"Contact : {BOSS}",
        f"Contact;{BOSS}",
        f"Mail : {BOSS}",
        BOSS,
        f"Organisateur;{BOSS}\nDate;12 mars",
        f"{BOSS}\n",
    ],
)
@pytest.mark.parametrize("header", ["Nom;Mail", "Nom;Mail;Régime"])
def test_an_address_in_a_title_above_the_header_is_told_and_is_nobody(above, header):
    text = f"{above}\n{header}\nDurand;{HERS}\nMartin;{HIS}\n"
    assert people(text) == [HERS, HIS]
    assert [row.text for row in rows(text) if row.aside] == [BOSS]


@pytest.mark.parametrize("title", ["Personnes à exclure", "Liste des absents;", "Do not invite"])
def test_below_a_title_that_excludes_people_nobody_is_chosen(title):
    assert chosen(f"{title}\nNom;Mail\nDurand;{HERS}\n") is None


ZOOM = (
    "Meeting ID,Topic,Start Time,User Email,Duration (Minutes),Participants\n"
    f"812 345,Réunion,2026-03-02,{BOSS},60,2\n\n"
    "Name (Original Name),User Email,Join Time,Leave Time,Guest\n"
    f"Camille,{HERS},1,2,No\nJean,{HIS},1,2,Yes\nLuc,,1,2,Yes\n"
)
TEAMS = (
    "1. Summary\nMeeting title\tRéunion\nAttended participants\t2\n\n"
    "2. Participants\nName\tFirst Join\tEmail\tRole\n"
    f"Boss\t9:00\t{BOSS}\tOrganizer\nCamille\t9:02\t{HERS}\tAttendee\n\n"
    f"3. In-Meeting Activities\nName\tJoin Time\tEmail\tRole\nBoss\t9:00\t{BOSS}\tOrganizer\n"
)
TWO = [
    (ZOOM, [HERS, HIS], "8"),
    (TEAMS, [BOSS, HERS], "3"),
    (f"Nom;Mail\nD;{HERS}\n\nNom;Mail du chef\nP;{BOSS}\n", [HERS], "2"),
    (f"Nom;Mail\nD;{HERS}\nNom;Responsable\nP;{BOSS}\n", [HERS], "Mail"),
    (f"Nom;Responsable\nP;{BOSS}\n;\nVille;Mail\nRouen;{HERS}\n", [HERS], "Mail"),
]


@pytest.mark.parametrize(("text", "found", "column"), TWO)
def test_of_two_tables_in_one_file_somebody_says_which(text, found, column):
    assert chosen(text) is None
    assert people(text, column) == found


def test_the_same_header_on_every_page_is_one_table():
    text = f"Nom;Mail\nD;{HERS}\n\nNom;Mail\nM;{HIS}\n"
    assert people(text) == [HERS, HIS]


@pytest.mark.parametrize(
    "label",
    ["Exclus", "\nExclus", "\nAnimation", "Animation :", "\nNe pas inviter\n", "Responsables"],
)
@pytest.mark.parametrize(
    "text", ["{0}\n{label}\n{1}\n", "Participants\n{0}\n{label}\n{1}\n", "Nom;Mail\nD;{0}\n{label};\nP;{1}\n"]
)  # fmt: skip
def test_below_a_title_in_the_middle_that_may_be_of_others_nobody_is_a_person(text, label):
    text = text.format(HERS, BOSS, label=label)
    assert people(text) == [HERS]
    assert [row.text for row in rows(text) if row.aside] == [BOSS]


def test_a_title_in_the_middle_that_names_the_people_ends_what_was_told():
    text = f"{HERS}\n\nOrganisation :\n{BOSS}\n\nParticipants :\n{HIS}\n"
    assert people(text) == [HERS, HIS]
    assert people(text, str(EVERY_ADDRESS)) == [HERS, BOSS, HIS]


def test_a_name_or_a_typing_error_in_the_middle_of_a_list_holds_nobody_back():
    assert people(f"{HERS}\nJean Martin\nana.a.example\n\nluc.a.example\n{HIS}\n") == [HERS, HIS]


@pytest.mark.parametrize(
    "status", ["unsubscribed", "Désinscrit", "absente excusée", "Ne pas inviter"]
)
def test_a_person_whose_record_says_that_they_are_not_to_be_invited_is_told(status):
    text = f"Nom;Mail;Statut\nD;{HERS};inscrit\nP;{BOSS};{status}\n"
    assert people(text) == [HERS]
    assert [(row.text, row.aside) for row in rows(text)][1] == (BOSS, status)


@pytest.mark.parametrize(
    ("header", "line"),
    [
        ("Nom,Prénom,Mail,Responsable", f"Martin,Jean,{BOSS}"),  # without the address of Jean
        ("Nom,Prénom,Mail,Mail N+1", f"Martin,Jean,{BOSS}"),
        ("Nom,Mail,Adresse", f"Martin,{BOSS}"),
        ("Nom,Responsable,Mail", f"Martin,Jean,{BOSS},jean@b.example"),
        ("", f"Martin,Jean,{BOSS}"),
    ],
)
def test_where_a_record_lost_or_won_a_cell_nobody_knows_whose_address_it_is(header, line):
    names = header.split(",") if header else ["", "", "Mail", "Responsable"]
    whole = [
        {"Mail": HERS, "Nom": "Durand", "Prénom": "C", "": "x"}.get(name, BOSS) for name in names
    ]
    text = "\n".join([header, *[",".join(whole)] * 3, line])
    column = str(names.index("Mail") + 1)
    assert people(text, column) == [HERS] * 3
    assert BOSS in [row.text for row in rows(text, column) if row.aside]


def test_a_record_without_its_last_cells_is_read_where_these_hold_no_addresses():
    text = f"Nom,Mail,Ville,Note,Régime\nD,{HERS}\nM,{HIS},Rouen\nP,p@a.example,a,b,c\n"
    assert people(text) == [HERS, HIS, "p@a.example"]


@pytest.mark.parametrize(
    "text",
    [
        f"Classe 3B: {HERS}, {BOSS};",
        f"Responsables : {HERS}; {BOSS}",
        f"Absents: {HERS},\n {BOSS}",
        "Manager: " + "; ".join([HERS, *["m@a.example"] * 9, BOSS]),
    ],
)
def test_a_group_that_may_be_of_others_is_told_to_its_end(text):
    assert people(text) == []
    assert {HERS, BOSS} <= {row.text for row in rows(text) if row.aside}
    assert {HERS, BOSS} <= set(people(text, str(EVERY_ADDRESS)))


@pytest.mark.parametrize(
    "typed", ["c@a.example&gt", "c@a.example&", "&ltc@a.example", "c@a.example&#62"]
)
def test_a_cut_entity_is_no_part_of_an_address(typed):
    assert people(f"{HERS}\n{typed}\n") == [HERS]
    assert [row.text for row in rows(f"{HERS}\n{typed}\n") if row.aside] == [typed]


def test_a_record_of_more_cells_than_any_table_has_is_no_table():
    text = f"{HERS}\n" + ";" * 5_000 + f"\n{HIS}\n"
    assert people(text) == [HERS, HIS]
