"""Lists of people, in every dress they come in: who is read from them, and what is refused by name."""

import pytest

from domain_rules.bulk_invites import files
from domain_rules.bulk_invites.files import FileFault, UnreadableFile
from domain_rules.bulk_invites.reading import read_people
from domain_rules.bulk_invites.tables import Row
from domain_rules.spreadsheet_cells import write_table

PEOPLE = "Nom;Adresse\nÉloïse;eloise@ac-rouen.fr\n\n# en congé\nLéa;lea@asso.example\n"
READ = [Row(2, "eloise@ac-rouen.fr"), Row(5, "lea@asso.example")]


def rows(text, column=""):
    """Of the column that was chosen."""
    reading = read_people(text if isinstance(text, bytes) else text.encode(), column)
    assert reading.chosen, [column.name or column.number for column in reading.columns]
    return list(reading.chosen.rows)


def people(text, column=""):
    """Who would be invited."""
    return [row.text for row in rows(text, column) if "@" in row.text and not row.aside]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_the_same_list_is_read_from_every_encoding(codec):
    assert rows(PEOPLE.encode(codec)) == READ


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_read_though_a_name_is_not_western(codec):
    text = PEOPLE.replace("É", "€").replace("Léa", "Лея")
    assert rows(text.encode(codec)) == READ
    assert rows(f"{text}\n".encode(codec) + b"\n") == READ  # and though its last letter was cut


@pytest.mark.parametrize("separator", [";", ",", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x85", "\u2028"])
def test_the_same_list_is_read_with_every_separator_and_end_of_line(separator, end):
    text = PEOPLE.replace(";", separator).replace("\n", end)
    assert rows(text) == READ


def test_ends_of_lines_may_be_mixed():
    assert people("a@x.example\rb@x.example\r\nc@x.example\nd@x.example\x85e@x.example") == [
        f"{name}@x.example" for name in "abcde"
    ]


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_excel_writes_for_itself_names_the_separator_and_is_nobody(first, end):
    text = end.join([first, "nom;adresse", "Durand;camille.durand@agents.example", ""])
    assert rows(text) == [Row(3, "camille.durand@agents.example")]


def test_any_sign_may_be_declared_as_the_separator():
    assert people("sep=^\nnom^adresse\nDurand, C^camille@a.example\n") == ["camille@a.example"]
    assert people("sep=@\ncamille@a.example\n") == ["camille@a.example"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_break_in_a_quoted_cell_ends_no_record(end):
    text = (
        'nom;adresse;note\n"Durand, Camille";camille.durand@agents.example;"Bureau 12\n2e étage"\n'
        'Martin;j.martin@agents.example;"remplace\nsa-cheffe@ailleurs.example"\n'
        "Petit;luc.petit@agents.example;\n"
    )
    reading = read_people(text.replace("\n", end).encode())
    assert list(reading.chosen.rows) == [
        Row(2, "camille.durand@agents.example"),
        Row(3, "j.martin@agents.example"),
        Row(4, "luc.petit@agents.example"),
    ]
    assert reading.chosen.elsewhere == 1


def test_a_quoted_cell_of_several_lines_may_stand_first_and_hold_quotation_marks():
    text = '"12 rue ""Paix""\r\nRouen";c.durand@agents.example\r\n"3 bd";luc@agents.example\r\n'
    assert people(text) == ["c.durand@agents.example", "luc@agents.example"]


@pytest.mark.parametrize(
    "text",
    [
        'nom;adresse\n"Durand;camille@a.example\nMartin;j@a.example\nPetit;luc@a.example\n',
        'nom;adresse\n"Durand;camille@a.example\n"Martin;j@a.example\n"Petit;luc@a.example\n',
        'nom;adresse\nDurand";camille@a.example\n"Martin" J;j@a.example\nPetit;luc@a.example\n',
        'nom;adresse\nD;camille@a.example\nM;j@a.example\n5" x;luc@a.example\n',
    ],
)
def test_a_quotation_mark_that_nothing_closes_swallows_no_line_below(text):
    assert people(text) == ["camille@a.example", "j@a.example", "luc@a.example"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Camille Durand <camille@a.example>", ["camille@a.example"]),
        ('"Durand, Camille" <camille@a.example>', ["camille@a.example"]),
        ('"Durand, Camille" <camille@a.example>, "Roux; Z" <z@b.example>', ["camille@a.example", "z@b.example"]),
        ("<camille@a.example>;<z@b.example>;", ["camille@a.example", "z@b.example"]),
        ("mailto:camille@a.example?subject=bonjour", ["camille@a.example"]),
        ("<MAILTO:camille@a.example>", ["camille@a.example"]),
        ("zoe@a.example; gil@b.example; Ana <ana@c.example>", ["zoe@a.example", "gil@b.example", "ana@c.example"]),
        ("zoe@a.example, gil@b.example", ["zoe@a.example", "gil@b.example"]),
        ("zoe@a.example gil@b.example", ["zoe@a.example", "gil@b.example"]),
        ("'zoe@a.example'; \"gil@b.example\"", ["zoe@a.example", "gil@b.example"]),
        ("zoe@a.example;\ngil@b.example;\n", ["zoe@a.example", "gil@b.example"]),
        ("À : zoe@a.example; Gil <gil@b.example>\nCc : ana@c.example; leo@c.example", ["zoe@a.example", "gil@b.example", "ana@c.example", "leo@c.example"]),
        ("To: DURAND, Camille <camille@a.example>, ROUX, Zoé <z@b.example>", ["camille@a.example", "z@b.example"]),
        ("DURAND, Camille <c@a.example>, MARTIN, Jean <j@a.example>, PETIT, Luc <l@a.example>\r\n", ["c@a.example", "j@a.example", "l@a.example"]),
        ("DURAND, Camille <c@a.example>, MARTIN, Jean <j@a.example>\nPETIT, Luc <l@a.example>\n", ["c@a.example", "j@a.example", "l@a.example"]),
        ("DURAND, Camille <c@a.example>\nMARTIN, Jean <j@a.example>\n", ["c@a.example", "j@a.example"]),
        ("Durand|c@a.example\r\nMartin|j@a.example\r\n", ["c@a.example", "j@a.example"]),
        ('nom;adresse\nPaire;"c@a.example, j@a.example"\n', ["c@a.example", "j@a.example"]),
        ('nom,adresse\nPaire,"c@a.example\nj@a.example"\n', ["c@a.example", "j@a.example"]),
        ("a1@a.example, b1@a.example,\n a2@a.example, b2@a.example", ["a1@a.example", "b1@a.example", "a2@a.example", "b2@a.example"]),
        ("a1@a.example|b1@a.example | c1@a.example\n", ["a1@a.example", "b1@a.example", "c1@a.example"]),
        ("Equipe: c@a.example, j@a.example;", ["c@a.example", "j@a.example"]),
        ("To: Team: c@a.example, j@a.example;, l@a.example", ["c@a.example", "j@a.example", "l@a.example"]),
        ("Participants : Zoé <z@a.example>; l@a.example\nInvités : j@a.example", ["z@a.example", "l@a.example", "j@a.example"]),
        ("&lt;c@a.example&gt;, Zo&amp;Co &lt;j@a.example&gt;", ["c@a.example", "j@a.example"]),
        ("c&amp;j@a.example", ["c&j@a.example"]),
        ("\ufeffzo\u00ade@a.example\u200b\ngil@a\u200d.example", ["zoe@a.example", "gil@a.example"]),
    ],
)  # fmt: skip
def test_people_are_read_as_mail_programs_write_them(text, found):
    assert people(text) == found


def test_a_name_without_an_address_among_many_people_is_told_and_keeps_nobody_back():
    text = "; ".join(f"Nom{n} <n{n}@a.example>" for n in range(8)) + "; Jean Martin"
    assert [row.text for row in rows(text)] == [
        *(f"n{n}@a.example" for n in range(8)),
        "Jean Martin",
    ]


def test_a_row_without_an_address_is_told_so_and_not_lost():
    told = rows("nom,mail\nZoe,zoe@a.example\nGil,\nAna,ana.a.example\n")
    assert [(row.line, row.text) for row in told] == [
        (2, "zoe@a.example"),
        (3, "Gil"),
        (4, "ana.a.example"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("zoe@a.example\nvoir avec gil@b.example svp\n", ["gil@b.example"]),
        ("zoe@a.example\nvoir avec Gil (gil@b.example).\n", ["gil@b.example"]),
        ("zoe@a.example\n# parti : gil@b.example\n", ["gil@b.example"]),
        ("zoe@a.example\n#gil@b.example\n", ["gil@b.example"]),
        ("zoe@a.example\ndurand|gil@b.example (absent)\n", ["durand|gil@b.example"]),
        ("zoe@a.example\nDe : Chef <gil@b.example>\n", ["gil@b.example"]),
        ("zoe@a.example\nchef@b.example <gil@c.example>\n", ["chef@b.example", "gil@c.example"]),
        ("zoe@a.example\nSMTP:gil@b.example\n", ["SMTP:gil@b.example"]),
        ("zoe@a.example\n@gil:b.example\n", ["@gil:b.example"]),
        ("zoe@a.example\ngil @ b.example\n", ["gil @ b.example"]),
        ("Courriel (gil@b.example);nom\nzoe@a.example;Zoé\n", ["gil@b.example"]),
        ("nom,mail\nZoé,zoe@a.example\nRoux, Gil,gil@b.example\n", ["gil@b.example"]),
        ('nom;adresse\nZ;zoe@a.example\nM;"remplace\ngil@b.example"\n', ["gil@b.example"]),
    ],
)
def test_an_address_in_other_text_is_told_and_is_nobody(text, told):
    assert people(text) == ["zoe@a.example"]
    assert [row.text for row in rows(text) if row.aside] == told


def test_a_link_copied_twice_is_one_person_and_one_duplicate():
    assert people("zoe@a.example<mailto:zoe@a.example>") == ["zoe@a.example"] * 2


def test_lines_of_a_name_and_an_address_are_told_until_somebody_says_that_all_are_people():
    text = "Camille Durand camille@a.example\nLuc Petit luc@a.example\n"
    assert people(text) == []
    assert people(text, "0") == ["camille@a.example", "luc@a.example"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (b"", FileFault.EMPTY),
        (b"\xef\xbb\xbf \r\n", FileFault.EMPTY),
        (b"PK\x03\x04\x14\x00\x06\x00[Content_Types].xml", FileFault.SPREADSHEET),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileFault.SPREADSHEET),
        (b"PK\x03\x04\x14\x00\x06\x00liste.csv", FileFault.ARCHIVE),
        (b"\x1f\x8b\x08", FileFault.ARCHIVE),
        (b"%PDF-1.7\n%a@b.example", FileFault.DOCUMENT),
        (b"{\\rtf1 a@b.example}", FileFault.DOCUMENT),
        (b"BEGIN:VCARD\r\nEMAIL:a@b.example\r\nEND:VCARD\r\n", FileFault.CARDS),
        (b"# base\ndn: uid=zoe,ou=people\nmail: a@b.example\n", FileFault.CARDS),
        (b"\n<!DOCTYPE html><p>a@b.example", FileFault.WEB_PAGE),
        (b"<table><tr><td>a@b.example</td></tr></table>", FileFault.WEB_PAGE),
        (b"zoe@a.example\0", FileFault.BINARY),
        (b"Zoe\nGil\n", FileFault.NO_ADDRESS),
        (b"a@b.example\n" * (files.MAX_LINES + 1), FileFault.TOO_LONG),
        (b"n;mail\n" + b"x;a@b.example\n" * (files.MAX_LINES + 1), FileFault.TOO_LONG),
        (b"a@b.example;" * (files.MAX_LINES + 1), FileFault.TOO_LONG),
        (b"#a@b.example\n" * (files.MAX_LINES + 1), FileFault.TOO_LONG),
        (b"a@b.fr;" * (files.MAX_ADDRESSES + 1), FileFault.TOO_MANY),
        ((b"a@b.fr;" * 3 + b"\n") * files.MAX_LINES, FileFault.TOO_MANY),
        (b"a@b.fr\n" + b"\n" * 200_000, FileFault.TOO_LONG),
        (b"x" * (files.MAX_BYTES + 1), FileFault.TOO_BIG),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(raw, fault):
    with pytest.raises(UnreadableFile) as refused:
        read_people(raw)
    assert refused.value.fault is fault


@pytest.mark.slow
def test_ten_thousand_people_are_read_though_their_cells_hold_line_breaks():
    lines = "".join(f'"rue {n}\nRouen";n{n}@a.example\n' for n in range(files.MAX_LINES))
    assert len(people(f"lieu;courriel\n{lines}")) == files.MAX_LINES


def test_a_report_of_ours_read_again_names_the_same_people():
    written = write_table([["courriel"], ["+lea@asso.example"], ["'o'neill@asso.example"]])
    assert people(written) == ["+lea@asso.example", "'o'neill@asso.example"]
