"""The check page of a list: which column is read, and what only stands in other text."""

import re
from html import unescape

from tests.worlds.bulk_inviters import browser, desk, hand_in, post, run, service, settings, sign_in

__all__ = ["browser", "desk", "service", "settings"]

TWO = "Nom;Courriel pro;Courriel perso\nLéa;lea@asso.example;lea@maison.example\nGil;;gil@maison.example\n"
UNSAID = "lea@asso.example;lea@maison.example\ngil@asso.example;gil@maison.example\n"


def test_the_column_that_is_read_is_shown_and_another_one_can_be_chosen(
    browser, service, postbox, desk
):
    sign_in(browser, service, postbox)
    path = hand_in(browser, TWO)
    text = unescape(browser.get(path).text).replace("\u00a0", " ")
    assert re.search(r'<option value="2" selected>« Courriel pro » \(1\)', text)
    assert "ne reçoivent rien : 2" in text
    assert "Lignes prêtes : 1" in text
    assert post(browser, path, column="3").status_code == 303
    assert post(browser, path, column="9").status_code == 404
    text = unescape(browser.get(path).text).replace("\u00a0", " ")
    assert re.search(r'<option value="3" selected>', text)
    assert "Lignes prêtes : 2" in text
    post(browser, path, send="1")
    run(service)
    invited = sorted(address for _, address in desk.placed)
    assert invited == ["gil@maison.example", "lea@maison.example"]


def test_nothing_is_sent_before_somebody_says_which_column_is_meant(
    browser, service, postbox, desk
):
    sign_in(browser, service, postbox)
    path = hand_in(browser, UNSAID)
    text = browser.get(path).text
    assert "Quelle colonne contient les adresses à inviter" in text
    assert 'name="send"' not in text
    refused = post(browser, path, send="1")
    assert refused.status_code == 400
    assert "Choisissez d’abord la colonne" in refused.text
    run(service)
    assert desk.placed == []
    post(browser, path, column="1")
    post(browser, path, send="1")
    run(service)
    invited = sorted(address for _, address in desk.placed)
    assert invited == ["gil@asso.example", "lea@asso.example"]


def test_an_address_found_in_a_sentence_is_invited_only_when_it_is_kept(
    browser, service, postbox, desk
):
    sign_in(browser, service, postbox)
    path = hand_in(browser, "lea@asso.example\nvoir avec gil@asso.example svp\n")
    text = browser.get(path).text
    assert "au milieu d’un autre texte" in text
    row = re.search(r'name="keep" value="([^"]+)"', text)[1]
    file = browser.get(f"{path}/report.csv").data.decode("utf-8-sig")
    assert "lea@asso.example;Prête" in file
    assert "gil@asso.example;Adresse trouvée" in file
    post(browser, path, keep=row)
    post(browser, path, send="1")
    run(service)
    invited = sorted(address for _, address in desk.placed)
    assert invited == ["gil@asso.example", "lea@asso.example"]


def test_who_would_be_invited_is_shown_before_anything_is_sent(browser, service, postbox, desk):
    sign_in(browser, service, postbox)
    text = browser.get(hand_in(browser, "lea@asso.example\nLéa (boss@asso.example)\n")).text
    shown = re.search(r"<details>.*?</details>", text, re.DOTALL).group()
    assert "à qui les invitations seront envoyées" in shown
    assert "lea@asso.example" in shown
    assert "boss@asso.example" not in shown


def test_a_column_without_an_example_names_none(browser, service, postbox, desk):
    sign_in(browser, service, postbox)
    text = browser.get(hand_in(browser, "Léa (lea@asso.example)\nGil (gil@asso.example)\n")).text
    examples = re.search(r'<ul class="plain small">.*?</ul>', text, re.DOTALL).group()
    assert examples.count("<li>") == 1
    assert "lea@asso.example, gil@asso.example" in examples
