"""What each mail says."""

import re
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from jinja2 import UndefinedError

from identity.mail.composing import compose
from identity.registration.welcomes import Welcome
from identity.translations import MissingText
from tests.worlds.mails import *
from tests.worlds.mails import HOST, LETTERS, ORDERED, TOKEN, frame, html_of, text_of, verification


def said(message: EmailMessage) -> str:
    """The text part, its lines joined, no-break spaces as spaces."""
    return " ".join(text_of(message).replace("\u00a0", " ").split())


def test_the_code_is_in_no_subject():
    write = verification()
    assert write(frame())["Subject"] == "Votre code Guichet"
    assert write(frame(language="en"))["Subject"] == "Your Guichet code"


def test_the_code_stands_in_groups_of_four_and_is_copied_as_digits_in_a_row():
    for digits, shown in (("48291375", "4829 1375"), ("482913750041", "4829 1375 0041")):
        message = verification(code=digits)(frame())
        assert f"\n\n{shown}\n\n" in text_of(message)
        code = re.search('<p class="code".*</p>', html_of(message))[0]
        assert re.sub("<[^>]*>", "", code) == digits


def test_the_mail_names_the_browser_that_asked_and_those_that_wait_too():
    at = datetime(2027, 3, 14, 14, 2, tzinfo=UTC)
    facts = {"device": "Firefox", "others": [("Edge", at), ("", at)]}
    french, english = (said(verification(**facts)(frame(language=each))) for each in ("fr", "en"))
    assert "Demande faite avec Firefox. Aussi demandé depuis :" in french
    assert "- Edge, dimanche 14 mars à 15 h 02 (heure de Paris)" in french
    assert "- un autre navigateur, dimanche 14 mars" in french
    assert "Requested with Firefox. Also requested from:" in english
    assert "The code works in one browser only." in english
    assert "Aussi demandé" not in said(verification()(frame()))


def test_verify_tells_until_when_what_if_not_me_and_never_to_share():
    french = said(verification()(frame()))
    assert "valable jusqu’à 17 h 30 (heure de Paris)" in french
    assert "valable jusqu’au lundi 15 mars à 16 h 30 (heure de Paris)" in french
    assert "Demande du dimanche 14 mars à 16 h 30 (heure de Paris)" in french
    assert "Ne transmettez pas ce code. Personne de Guichet ne vous le demandera." in french
    assert "ignorez ce courriel : aucun compte ne sera créé" in french
    assert f"annuler cette demande : {HOST}/n/{TOKEN}" in french
    english = said(verification()(frame(language="en")))
    assert "valid until 17:30 (Paris time)" in english
    assert "valid until Monday 15 March at 16:30 (Paris time)" in english
    assert "Do not share this code. Nobody from Guichet will ask you for it." in english
    assert "ignore this email: no account will be created" in english


def test_a_code_that_lasts_over_midnight_names_the_day():
    write = verification(code_expires_at=ORDERED + timedelta(hours=24))
    assert said(write(frame())).count("jusqu’au lundi 15 mars à 16 h 30") == 2


def test_without_a_known_language_both_are_spoken_french_first():
    text = said(verification()(frame(language=None)))
    assert text.index("Voici votre code") < text.index("* * *") < text.index("Here is your code")


def test_exists_says_so_and_names_the_server_if_known():
    french = said(LETTERS["exists"](frame()))
    assert "Vous avez déjà un compte Guichet. Connectez-vous avec cette adresse" in french
    assert "serveur « Éducation »" in french
    assert "serveur" not in said(LETTERS["exists somewhere"](frame()))


def test_welcome_says_how_to_sign_in_and_to_keep_the_recovery_code():
    for language, recovery in (("fr", "code de récupération"), ("en", "recovery code")):
        message = LETTERS["welcome"](frame(language=language))
        for part in (text_of(message), html_of(message)):
            assert "@camille.durand-ac-rouen.example:agent.education.example" in part
            assert "camille.durand@ac-rouen.example" in part
            assert recovery in part


def test_server_ready_leads_on():
    assert "serveur « Éducation » répond de nouveau" in said(LETTERS["server_ready"](frame()))
    assert "votre serveur répond de nouveau" in said(LETTERS["server_ready somewhere"](frame()))
    assert f"{HOST}/v/{TOKEN}" in text_of(LETTERS["server_ready"](frame()))


def test_none_tells_how_to_be_invited():
    assert (
        "Demandez à un agent de vous inviter, avec cette adresse exacte. "
        "Si vous n’avez rien demandé, ignorez ce courriel." in said(compose("none", frame()))
    )


@pytest.mark.slow
def test_the_address_stands_in_to_and_nowhere_else():
    for name, write in LETTERS.items():
        message = write(frame(to="qui@ailleurs.example"))
        assert ("qui@ailleurs" in text_of(message)) == name.startswith("welcome")


def test_a_name_can_add_neither_markup_nor_lines():
    nasty = "<b>Ana</b>\r\nBcc: x@evil.example\u202e{service}"
    message = compose(
        "welcome",
        frame(),
        display_name=nasty,
        user_id="@a:b",
        address="a@b.example",
        server="S",
        client_url="https://c.example",
        phone_url=None,
        **vars(Welcome(rooms=(nasty,))),
    )
    assert "<b>Ana" not in html_of(message)
    assert "&lt;b&gt;Ana&lt;/b&gt;" in html_of(message)
    assert "\nBcc" not in text_of(message)
    assert "\u202e" not in text_of(message) + html_of(message)
    assert "{service}" in text_of(message)


def test_an_operators_template_comes_first_and_only_for_its_language(tmp_path):
    (tmp_path / "fr").mkdir()
    (tmp_path / "fr" / "none.subject").write_text("Rien pour vous chez {{ service }}\n")
    (tmp_path / "fr" / "none.txt").write_text("Rien.\n\n{{ help_url }}\n")
    french = compose("none", frame(templates_dir=tmp_path))
    assert french["Subject"] == "Rien pour vous chez Guichet"
    assert text_of(french) == f"Rien.\n\n{HOST}/help\n"
    assert "Aucune invitation" in html_of(french)
    english = compose("none", frame(templates_dir=tmp_path, language="en"))
    assert english["Subject"] == "No invitation waiting"


def test_a_template_that_asks_for_what_is_not_there_fails(tmp_path):
    (tmp_path / "fr").mkdir()
    (tmp_path / "fr" / "none.txt").write_text("{{ nickname }}")
    with pytest.raises(UndefinedError, match="nickname"):
        compose("none", frame(templates_dir=tmp_path))
    (tmp_path / "fr" / "verify.txt").write_text('{{ t("mail.no_such_text") }}')
    with pytest.raises(MissingText):
        verification()(frame(templates_dir=tmp_path))
