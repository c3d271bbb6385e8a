"""/lists, from the sign-in to the report: what an agent sees, and what nobody else does."""

import io
import re
from html import unescape

import pytest

from identity.bulk_invites import quota, service as bulk_invites
from identity.bulk_invites.service import Owner, RoomSeen
from identity.core.outbox import Lane
from identity.homeservers.room_actions import NoModule, Room
from identity.threepids import associations
from tests.worlds.bulk_inviters import (
    HERS,
    LIST,
    ROOM,
    browser,
    csrf,
    desk,
    hand_in,
    post,
    run,
    service,
    settings,
    sign_in,
)
from tests.worlds.long_lists import people, small_batches
from tests.worlds.statements import statements

__all__ = ["browser", "desk", "service", "settings", "small_batches"]


def test_nobody_sees_a_list_without_signing_in(browser, service, postbox):
    for path in ("/lists", "/lists/6f1c1f6e-5a52-4f6e-9a2f-0a4b2b1f9d11"):
        assert browser.get(path).location.startswith("/lists/sign-in")
    post(browser, "/lists/sign-in", email=HERS)
    assert post(browser, "/lists/code", code="00000000").status_code == 400
    assert browser.get("/lists").status_code == 303


@pytest.mark.parametrize(
    ("language", "words"), [("fr", "Inviter une liste"), ("en", "Invite a list")]
)
def test_an_agent_finds_the_lists_on_the_first_page(browser, language, words):
    first = browser.get("/", headers={"Accept-Language": language})
    link = re.search(r'<a href="(/lists[^"]*)">([^<]*)</a>', first.text)
    assert words.lower() in link[2].lower()
    assert browser.get(link[1]).location.startswith("/lists/sign-in")


def test_the_page_says_the_same_to_everybody_and_only_agents_get_a_code(browser, service, postbox):
    shown = []
    for address in (HERS, "eve@ac-rouen.example", "lea@asso.example"):
        assert post(browser, "/lists/sign-in", email=address).status_code == 303
        text = browser.get("/lists/code").text.replace(address, "ADDRESS")
        shown.append(re.sub(r'value="[^"]{40,}"', "", text))
    assert len(set(shown)) == 1
    run(service, Lane.URGENT)
    assert [mail["To"] for mail in postbox.sent] == [HERS]


def test_half_an_hour_later_the_browser_is_a_strangers(browser, service, postbox, clock):
    assert sign_in(browser, service, postbox).location.startswith("/lists")
    assert browser.get("/lists").status_code == 200
    clock.advance(minutes=31)
    assert browser.get("/lists").status_code == 303


def test_a_list_is_checked_and_nothing_is_sent_before_its_owner_says_so(
    browser, service, postbox, desk
):
    sign_in(browser, service, postbox)
    text = browser.get(hand_in(browser)).text
    assert "Même adresse que la ligne 3" in text
    assert "Utiliser paul@gmail.com" in text
    assert "le @ manque" in text
    assert "(agents : 1 ; invités externes : 1)" in text.replace("\u00a0", " ")
    run(service)
    assert len(postbox.sent) == 2  # the code, and that it was used
    assert desk.placed == []


def test_a_list_put_right_is_sent_and_told_on_the_page_in_the_file_and_by_mail(
    browser, service, postbox, desk
):
    sign_in(browser, service, postbox)
    path = hand_in(browser)
    row = re.search(r'name="keep" value="([^"]+)"', browser.get(path).text).group(1)
    post(browser, path, correct=row, address="paul@gmail.com")
    assert post(browser, path, send="1").status_code == 303
    assert "0 lignes traitées sur 3" in browser.get(path).text.replace("\u00a0", " ")
    run(service)
    run(service, Lane.NORMAL)
    told = [mail["To"] for mail in postbox.sent]
    people = ["eloise@ac-rouen.example", "lea@asso.example", "paul@gmail.com"]
    # To her: the code, that it was used, and the report.
    assert sorted(told) == sorted([*people, HERS, HERS, HERS])
    assert sorted(address for _, address in desk.placed) == people
    report = next(mail for mail in postbox.sent if "Vos invitations" in mail["Subject"])
    assert "3 envoyées, 2 à revoir" in report["Subject"]
    assert browser.get(path).text.count("Invitation enregistrée") == 3
    file = browser.get(f"{path}/report.csv")
    assert file.data.startswith(b"\xef\xbb\xbf")
    assert "Lea@asso.example;Invitation enregistrée" in file.data.decode("utf-8-sig")
    post(browser, path, send="1")
    run(service)
    assert len(postbox.sent) == 6


def test_what_failed_is_sent_again_and_only_that(browser, service, postbox, desk):
    sign_in(browser, service, postbox)
    path = hand_in(browser)
    desk.invite = lambda **_asked: (_ for _ in ()).throw(NoModule("none"))
    post(browser, path, send="1")
    run(service)
    assert "Échecs\u00a0: 2" in browser.get(path).text
    assert [mail["To"] for mail in postbox.sent[2:]] == [HERS]
    del desk.invite
    post(browser, path, retry="1")
    run(service)
    told = [mail["To"] for mail in postbox.sent[3:]]
    assert sorted(told) == ["eloise@ac-rouen.example", "lea@asso.example", HERS]


def test_the_same_list_twice_sends_nothing_twice(browser, service, postbox, desk):
    sign_in(browser, service, postbox)
    post(browser, hand_in(browser), send="1")
    run(service)
    before = len(postbox.sent)
    path = hand_in(browser)
    assert browser.get(path).text.count("Déjà invité") == 2
    assert post(browser, path, send="1").status_code == 400
    run(service)
    assert len(postbox.sent) == before


def test_who_has_an_account_is_invited_by_the_room_and_the_page_says_the_same(
    browser, service, postbox, desk
):
    with service.database.transaction() as session:
        associations.bind(
            session, service.now(), address="lea@asso.example", user_id="@lea:guests.example"
        )
    sign_in(browser, service, postbox)
    path = hand_in(browser)
    post(browser, path, send="1")
    run(service)
    assert desk.invited == ["@lea:guests.example"]
    assert browser.get(path).text.count("Invitation enregistrée") == 2


def test_over_the_quota_the_rest_waits_and_says_until_when(browser, service, postbox, desk, clock):
    sign_in(browser, service, postbox)
    mine, most = "Éducation nationale – Rouen", service.settings.list_quota
    with service.database.transaction() as session:
        quota.reserve(session, service.now(), mine, most - 50, quota=most)
    people = "".join(f"person{n:02}@asso.example\n" for n in range(52))
    path = hand_in(browser, people)
    told = browser.get(path).text
    assert f"Votre organisation ({mine}) envoie 10\u202f000 invitations par jour" in told
    assert "il en reste 50 pour aujourd’hui. Le reste de cette liste (2)" in told
    post(browser, path, send="1")
    run(service)
    assert len(desk.placed) == 50
    told = browser.get(path).text
    assert told.count("Limite du jour atteinte") == 2
    assert "Les dernières de celle-ci partiront le" in told
    clock.advance(hours=25)
    run(service)
    assert len(desk.placed) == 52


@pytest.mark.usefixtures("small_batches")
def test_a_long_list_shows_how_far_its_check_is_and_then_its_first_rows(browser, service, postbox):
    sign_in(browser, service, postbox)
    path = hand_in(browser, people(220))
    told = browser.get(path).text
    assert 'id="progress" data-state="checking"' in told
    assert "0 lignes vérifiées sur 220" in told
    assert post(browser, path, send="1").status_code == 303  # nothing can be sent yet
    assert 'data-state="checking"' in browser.get(path).text
    run(service, Lane.ACCOUNTS)
    told = browser.get(path).text.replace("\u00a0", " ")
    assert "Lignes prêtes : 217" in told
    assert told.count("@asso.example") == 100
    assert "Trop peu d’invitations par liste sont parties ces dernières 24 heures" in told
    post(browser, path, send="1")
    assert 'data-state="ordering"' in browser.get(path).text
    run(service, Lane.ACCOUNTS, Lane.BULK)
    told = browser.get(f"{path}?page=2").text
    assert "Lignes 201 à 220 sur 220" in told
    file = browser.get(f"{path}/report.csv").data.decode("utf-8-sig").splitlines()
    assert len(file) == 221
    assert file[101].startswith("102;personne100@asso.example;")


def test_the_pages_of_a_long_list_ask_the_database_no_more_than_those_of_a_short_one(
    browser, service, postbox
):
    sign_in(browser, service, postbox)
    asked = []
    for number in (130, 530):
        path = hand_in(browser, people(number))
        run(service, Lane.ACCOUNTS)
        with statements(service.database.engine) as sent:
            shown = browser.get(path).text
        asked.append((len(sent), shown.count("<li")))
    assert asked[0] == asked[1]


def test_an_agent_stops_a_list(browser, service, postbox, desk):
    sign_in(browser, service, postbox)
    path = hand_in(browser)
    post(browser, path, send="1")
    assert "Arrêter l’envoi" in browser.get(path).text
    post(browser, path, stop="1")
    assert 'data-state="stopping"' in browser.get(path).text
    run(service, Lane.ACCOUNTS, Lane.BULK)
    assert desk.placed == []
    told = browser.get(path).text
    assert told.count("vous avez arrêté l’envoi") == 2
    post(browser, path, retry="1")
    run(service)
    assert len(desk.placed) == 2


def test_a_list_is_its_owners_alone(browser, service, postbox):
    with service.database.transaction() as session:
        made = bulk_invites.check(
            session,
            service.rules.current(),
            service.now(),
            owner=Owner("@gil:education.example"),
            room=RoomSeen(ROOM),
            raw=LIST.encode(),
        )
        path = f"/lists/{made.id}"
    sign_in(browser, service, postbox)
    assert browser.get(path).status_code == 404
    assert browser.get(f"{path}/report.csv").status_code == 404
    assert post(browser, path, send="1").status_code == 404


def shown_again(answer) -> dict[str, str]:
    """The form of the page, as the browser would send it once more."""
    room = re.search(r'name="room"[^>]* value="([^"]*)"', answer.text)[1]
    pasted = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", answer.text, re.DOTALL)[1]
    token = re.search(r'name="csrf_token" value="([^"]+)"', answer.text)[1]
    return {"room": unescape(room), "text": unescape(pasted), "csrf_token": token}


def test_a_form_that_is_too_old_keeps_the_room_and_the_pasted_list(browser, service, postbox):
    sign_in(browser, service, postbox)
    old = browser.post("/lists", data={"room": ROOM, "text": LIST})
    assert old.status_code == 400
    sent = shown_again(old)
    assert (sent["room"], sent["text"]) == (ROOM, LIST)
    assert 'type="file"' in old.text
    assert (
        "Même adresse que la ligne 3"
        in browser.get(browser.post("/lists", data=sent).location).text
    )


def test_signed_out_meanwhile_the_list_waits_for_the_next_sign_in(browser, service, postbox, clock):
    sign_in(browser, service, postbox)
    clock.advance(minutes=31)
    answer = post(browser, "/lists", room=ROOM, text=LIST)
    assert answer.status_code == 401
    sign_in(browser, service, postbox)
    sent = shown_again(answer)
    assert (sent["room"], sent["text"]) == (ROOM, LIST)
    assert browser.post("/lists", data=sent).status_code == 303


def test_a_row_put_right_in_a_form_that_is_too_old_is_still_put_right(browser, service, postbox):
    sign_in(browser, service, postbox)
    path = hand_in(browser)
    row = re.search(r'name="keep" value="([^"]+)"', browser.get(path).text)[1]
    old = browser.post(path, data={"correct": row, "address": "paul@gmail.com"}).text
    assert f'name="correct" value="{row}"' in old
    assert 'value="paul@gmail.com"' in old


@pytest.mark.parametrize(
    ("room", "words"),
    [
        (Room(False, False, True, None), "Vous n’êtes pas dans ce salon"),
        (Room(True, False, True, None), "Vous n’avez pas le droit d’inviter"),
    ],
)
def test_a_room_that_is_not_theirs_is_said_so(browser, service, postbox, desk, room, words):
    desk.room = room
    sign_in(browser, service, postbox)
    answer = post(browser, "/lists", room=ROOM, text=LIST)
    assert answer.status_code == 400
    assert words in answer.text
    assert "lea@asso.example" in answer.text.lower()


def test_a_room_closed_to_guests_takes_agents_alone(browser, service, postbox, desk):
    desk.room = Room(True, True, False, None)
    sign_in(browser, service, postbox)
    text = browser.get(hand_in(browser)).text
    assert "Le salon n’accepte pas les personnes externes" in text
    assert "(agents : 1 ; invités externes : 0)" in text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"PK\x03\x04[Content_Types].xml", "classeur"),
        (b"a@b.example\n" * 10_001, "dépasse 10\u00a0000 lignes"),
        (b"Zoe\nGil\n", "aucune adresse"),
        (b"%PDF-1.7 a@b.example", "document"),
        (b"BEGIN:VCARD\nEMAIL:a@b.example\n", "fiches de contacts"),
        (b"<html><body>a@b.example", "page web"),
    ],
)
def test_a_file_that_will_not_do_is_refused_by_name(browser, service, postbox, raw, words):
    sign_in(browser, service, postbox)
    answer = post(browser, "/lists", room=ROOM, file=(io.BytesIO(raw), "liste.xlsx"))
    assert answer.status_code in {400, 413}
    assert words in answer.text


def test_a_body_over_the_limit_is_refused_unread_and_by_name(browser, service, postbox):
    sign_in(browser, service, postbox)
    fields = {"csrf_token": csrf(browser), "room": ROOM}
    for length, status in ((1_000_001, 400), (1_300_000, 413)):
        answer = browser.post("/lists", data=fields | {"text": "x" * length})
        assert answer.status_code == status
        assert "dépasse 1\u00a0Mo" in answer.text


def test_the_report_in_the_file_holds_no_formula(browser, service, postbox):
    sign_in(browser, service, postbox)
    path = hand_in(browser, "=1+1@x\nlea@asso.example\n")
    file = browser.get(f"{path}/report.csv").data.decode("utf-8-sig")
    assert "'=1+1@x" in file
