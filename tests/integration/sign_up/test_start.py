"""/start: an open domain gets its mail, any other a page about its domain, and nobody is found out."""

import re

import pytest
from sqlalchemy import select

from identity.mail.models import Mail
from identity.threepids import associations
from tests.worlds.pages import *
from tests.worlds.pages import Site
from tests.worlds.visitors import heading, title, words


def mails(site: Site) -> list[str]:
    with site.services.database.reading() as session:
        return [mail.template for mail in session.scalars(select(Mail))]


def masked(answer) -> tuple[int, list[tuple[str, str]], str]:
    """What may differ between two browsers anyway is taken out: form value, cookie value, clock times, id."""
    headers = [
        (name, re.sub(r"(?<==)[^;]*", "…", value, count=1) if name == "Set-Cookie" else value)
        for name, value in answer.headers
        if name not in {"Date", "Content-Length", "X-Request-ID"}
    ]
    headers = [
        (name, re.sub(r"expires=[^;]*", "", value, flags=re.IGNORECASE)) for name, value in headers
    ]
    body = re.sub(r'csrf_token" value="[^"]*"', "", answer.text)
    return answer.status_code, headers, body


@pytest.mark.parametrize(
    ("language", "said"), [("fr", "Consultez votre messagerie"), ("en", "Check your mail")]
)
def test_an_open_domain_gets_a_mail_and_the_field_for_its_code(site, language, said):
    answer = site.visitor(language).start("Camille.Durand@AC-Rouen.example")
    assert heading(answer) == said
    assert "camille.durand@ac-rouen.example" in words(answer)
    assert 'autocomplete="one-time-code"' in answer.text
    assert 'inputmode="numeric"' in answer.text
    assert mails(site) == ["verify"]
    assert site.newest().language == language


@pytest.mark.parametrize(
    ("email", "french", "english"),
    [
        ("ana@ac-ruoen.example", "Vérifiez votre adresse", "Check your address"),
        ("ana@ac-normandie.example", "Utilisez votre autre adresse", "Use your other address"),
        (
            "gil@asso.example",
            "Les adresses @asso.example ne sont pas encore ouvertes",
            "Addresses at @asso.example are not open yet",
        ),
        (
            "contact@ac-rouen.example",
            "Utilisez une adresse à votre nom",
            "Use an address in your own name",
        ),
    ],
)
def test_what_is_to_be_said_of_a_domain_is_a_page_of_its_own(site, email, french, english):
    ana, ben = site.visitor("fr"), site.visitor("en")
    assert ana.send("/start", email=email).status_code == 303
    assert heading(ana.get("/start/answer")) == french
    assert heading(ben.start(email)) == english
    assert mails(site) == []


def test_a_slip_of_the_hand_can_be_corrected_or_kept(site, ana):
    answer = ana.start("ana@ac-ruoen.example")
    assert re.findall(r'name="email" value="([^"]+)"', answer.text) == [
        "ana@ac-rouen.example",
        "ana@ac-ruoen.example",
    ]
    kept = ana.start("ana@ac-ruoen.example", keep="1")
    assert heading(kept) == "Les adresses @ac-ruoen.example ne sont pas encore ouvertes"
    assert mails(site) == []


def test_a_sibling_offers_the_same_name_at_the_accepted_domain(ana):
    answer = ana.start("ana@ac-normandie.example")
    assert 'value="ana@ac-rouen.example"' in answer.text
    assert "Rouen : les comptes se créent avec l’adresse @ac-rouen.example" in words(answer)


def test_who_was_invited_is_told_to_look_into_the_mail_whatever_the_domain(site, ana):
    assert 'name="invited" value="1"' in ana.start("gil@asso.example").text
    answer = ana.start("gil@asso.example", invited="1")
    assert heading(answer) == "Consultez votre messagerie"
    site.post()
    assert mails(site) == ["none"]


def test_an_invitation_opens_no_mailbox_that_several_people_read(site, ana):
    answer = ana.start("contact@ac-rouen.example", invited="1")
    assert heading(answer) == "Utilisez une adresse à votre nom"
    assert mails(site) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("camille", "Il manque le signe @ dans l’adresse"),
        ("a@b@c.example", "L’adresse contient plusieurs signes @"),
        ("camille durand@ac-rouen.example", "L’adresse contient un espace"),
        ("camille@", "Saisissez une adresse complète"),
        ("", "Saisissez une adresse complète"),
        ("camille@ac-rouen.example\r\nBcc: x@y.example", "Saisissez une adresse complète"),
    ],
)
def test_a_wrong_address_is_explained_beside_the_field_and_kept(ana, typed, said):
    answer = ana.send("/start", email=typed)
    assert answer.status_code == 400
    assert title(answer) == "Erreur\u00a0: Saisissez votre adresse électronique – Guichet"
    assert answer.text.count(said) == 2  # in the summary and beside the field
    assert 'role="alert" tabindex="-1" autofocus' in answer.text
    assert '<a href="#email">' in answer.text
    assert 'aria-invalid="true" aria-describedby="email-hint email-fault"' in answer.text
    first_line = typed.partition("\r")[0]
    assert f'id="email" name="email" type="email" value="{first_line}' in answer.text


def test_what_came_with_a_paste_is_removed(site, ana):
    ana.start("\u00a0 camille.durand\u200b@ac-rouen.example ")
    assert site.newest().address == "camille.durand@ac-rouen.example"


def test_the_answer_is_the_same_whatever_is_known_of_the_address(site, clock):
    with site.services.database.transaction() as session:
        associations.bind(
            session,
            clock(),
            address="known@ac-rouen.example",
            user_id="@known:education.example",
        )
    answers = {}
    for email in ("known@ac-rouen.example", "fresh@ac-rouen.example"):
        visitor = site.visitor()
        sent = visitor.send("/start", email=email)
        waiting = visitor.get(sent.location)
        site.post()
        typed = visitor.send("/check/1", code="12345678")
        answers[email[:5]] = [
            masked(answer) for answer in (sent, waiting, typed, visitor.send("/check/1/resend"))
        ]
    site.post()
    assert sorted(mails(site)) == ["exists", "verify", "verify", "verify"]
    assert repr(answers["known"]).replace("known@", "fresh@") == repr(answers["fresh"])


def test_the_answer_is_the_same_whether_an_invitation_waits_or_not(site):
    site.invited(address="known@asso.example")
    answers = {}
    for email in ("known@asso.example", "fresh@asso.example"):
        visitor = site.visitor()
        sent = visitor.send("/start", email=email, invited="1")
        site.post()
        typed = visitor.send("/check/1", code="12345678")
        seen = (sent, visitor.get(sent.location), typed, visitor.send("/check/1/resend"))
        answers[email[:5]] = [repr(masked(answer)) for answer in seen]
    assert sorted(set(mails(site))) == ["none", "verify"]
    assert repr(answers["known"]).replace("known@", "fresh@") == repr(answers["fresh"])


def test_too_many_addresses_from_one_network_get_a_clock_time(site, ana):
    for n in range(30):
        ana.send("/start", email=f"a{n}@asso.example")
    answer = ana.send("/start", email="camille@ac-rouen.example")
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert re.search(r"Vous pourrez continuer à \d+ h \d\d", words(answer))


@pytest.mark.parametrize("path", ["/start", "/lists/sign-in"])
def test_a_network_types_ten_tags_of_one_mailbox_a_day(site, ana, path):
    """Their mails wait for one another: nobody fills that queue alone."""
    for n in range(10):
        ana.send(path, email=f"camille+{n}@ac-rouen.example")
    answer = ana.send(path, email="camille+other@ac-rouen.example")
    assert answer.status_code == 429
    assert re.search(r"Vous pourrez continuer .*à \d+ h \d\d", words(answer))
    assert ana.send(path, email="camille@ac-rouen.example").status_code == 303


def test_two_addresses_of_one_browser_do_not_disturb_each_other(site, ana):
    ana.start("camille@ac-rouen.example")
    ana.start("dominique@ac-rouen.example")
    assert "camille@ac-rouen.example" in words(ana.get("/check/1"))
    assert "dominique@ac-rouen.example" in words(ana.get("/check/2"))


def test_a_repeated_form_opens_nothing_twice(site, ana):
    assert ana.send("/start", email="a@ac-rouen.example").location == "/check/1"
    assert ana.send("/start", email="a@ac-rouen.example").location == "/check/1"
    assert len(site.all()) == 1
    assert mails(site) == ["verify"]


def test_the_cookie_is_signed_and_shown_to_no_script(site, ana):
    sent = ana.send("/start", email="a@ac-rouen.example")
    cookie = next(c for c in sent.headers.getlist("Set-Cookie") if c.startswith("vr="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie  # http on loopback
    ana.client.set_cookie("vr", "forged.signature")
    assert ana.get("/check/1").status_code == 404


def test_asking_for_the_answer_without_an_address_leads_to_the_form(ana):
    assert heading(ana.get("/start/answer")) == "Saisissez votre adresse électronique"
