"""The last page hands a guest over to a computer or a telephone, and waits for neither script nor foreign server."""

import base64
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import zxingcpp

from tests.worlds.in_chromium import *
from tests.worlds.pages import *
from tests.worlds.pages import PASSWORD

PICTURES = Path(__file__).parents[3] / "artefacts/hand_over"
CHAT = "https://chat.example/?hs={homeserver_url}&user={user_id}&room={room_id}"
TELEPHONE = "https://m.example/element/?account_provider={server_name}&login_hint=mxid:{user_id}&r={room_id}"
DESK, PHONE = {"width": 1180, "height": 900}, {"width": 360, "height": 740}
# Chromium reads its own picture: this process needs no other library for that.
GREY = """async picture => {
  const bitmap = await createImageBitmap(await (await fetch(picture)).blob());
  const paper = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
  paper.drawImage(bitmap, 0, 0);
  const {data} = paper.getImageData(0, 0, bitmap.width, bitmap.height);
  return [bitmap.height, bitmap.width, Array.from({length: data.length / 4}, (_, at) => data[4 * at])];
}"""


@pytest.fixture
def settings(tmp_path):
    links = {"client_url": CHAT, "phone_url": TELEPHONE}
    return {"data_dir": tmp_path, "_env_file": None} | links


@pytest.fixture
def arrive(site, walk):
    """Makes an account for a guest whom two rooms wait for; returns the last page in Chromium."""

    def come(language, **kind):
        site.invited(room_id="!older:education.example", facts={"room_name": "Ancien salon"})
        site.clock.advance(minutes=2)
        row = site.invited(facts={"room_name": "Cellule d’appui"})
        gil = walk(language, **kind)
        gil.go(site.mailed(row))
        gil.send(code=site.code(row))
        gil.send(password=PASSWORD, password_again=PASSWORD)
        return gil.made()

    return come


def wanted(page) -> dict[str, list[str]]:
    """Who goes where, as the last page of an account shows it to the person."""
    page.locator("summary").click()
    user_id = page.locator("dd.mono").inner_text()
    assert user_id.startswith("@")
    return {"user": [user_id], "room": ["!room:education.example"]}


def read_code(page, browser) -> str:
    """What a telephone reads on the screen."""
    shot = base64.b64encode(page.locator(".picture").screenshot()).decode()
    height, width, grey = browser.evaluate(GREY, f"data:image/png;base64,{shot}")
    picture = memoryview(bytes(grey)).cast("B", (height, width))
    [found] = zxingcpp.read_barcodes(picture)
    return found.text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_a_desk_there_is_a_button_and_a_code_that_a_telephone_reads(
    arrive, browser_contexts, scheme
):
    page = arrive("fr", viewport=DESK, color_scheme=scheme)
    person = wanted(page)
    button = urlsplit(page.locator("main a.button:visible").get_attribute("href"))
    assert button.netloc == "chat.example"
    assert parse_qs(button.query) == person | {"hs": ["http://127.0.0.1:1"]}
    assert "déjà saisi" in page.locator(".card").first.inner_text()
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"desk-{scheme}.png", full_page=True)
    told = urlsplit(read_code(page, browser_contexts().new_page()))
    assert (told.netloc, told.path) == ("m.example", "/element/")
    assert parse_qs(told.query) == {
        "account_provider": ["guests.example"],
        "login_hint": [f"mxid:{person['user'][0]}"],
        "r": person["room"],
    }


@pytest.mark.parametrize(
    "kind", [{"viewport": PHONE}, {"viewport": DESK, "has_touch": True, "is_mobile": True}]
)
def test_on_a_telephone_the_link_comes_first_and_there_is_no_code(arrive, kind):
    page = arrive("en", **kind)
    person = wanted(page)
    assert not page.locator(".picture").is_visible()
    app = page.get_by_role("link", name="Open the app")
    assert parse_qs(urlsplit(app.get_attribute("href")).query)["r"] == person["room"]
    computer = page.locator("main a.button", has_text="Open Guichet")
    first, second = (link.bounding_box() for link in (app, computer))
    assert (first["y"], first["x"]) < (second["y"], second["x"])
    PICTURES.mkdir(parents=True, exist_ok=True)
    width = kind["viewport"]["width"]
    page.screenshot(path=PICTURES / f"telephone-{width}.png", full_page=True)


def test_the_page_is_light_and_names_its_code(arrive, url):
    page = arrive("fr", viewport=DESK)
    code = page.get_by_role("img", name="Code QR")
    assert code.count() == 1
    assert len(code.inner_html().encode()) < 4_500
    assert "<script" not in page.content()
    answer = page.reload()
    assert len(answer.body()) < 15_000
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert page.locator(".card").nth(2).locator("li").all_inner_texts() == [
        "Ancien salon",
        "Cellule d’appui",
    ]
