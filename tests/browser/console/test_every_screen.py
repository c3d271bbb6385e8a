"""Every screen of the console in Chromium: for everybody, on any screen, without a word in the console.

`make pictures` runs it whole and leaves a picture of each in artefacts/console.
"""

from pathlib import Path

import pytest

from identity.console.pages.frame import DEEDS
from identity.operators.roles import Role
from tests.worlds.console import *
from tests.worlds.console_in_chromium import *
from tests.worlds.console_screens import *
from tests.worlds.domain_askers import *

pytestmark = pytest.mark.browser

PICTURES = Path(__file__).parents[3] / "artefacts/console"
AXE = (
    "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
    " resultTypes: ['violations', 'incomplete']})"
)
ALL = [(width, scheme) for width in (320, 1280) for scheme in ("light", "dark")]
# For who is not signed in, or sent from elsewhere: they are seen where somebody comes in.
COMING_IN = {
    *("sign_in", "code", "mailed", "once", "invited", "second_factor", "enrol", "kept_form"),
    *("sso", "sso_back", "sso_confirm", "sso_left", "sso_no_role", "sso_out", "sso_refused"),
    "sso_silent",
}
# A change that waits cannot be rolled back.
NOT_NOW = {"roll_back_page"}


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url


@pytest.mark.parametrize(
    ("language", "seen_as", "takes_pictures"),
    [
        ("fr", [(320, "light"), (1280, "dark")], False),
        pytest.param("fr", ALL, True, marks=pytest.mark.long),
        pytest.param("en", ALL, True, marks=pytest.mark.long),
    ],
    ids=["fr", "fr-pictures", "en-pictures"],
)
def test_12_every_screen_passes_axe_fits_and_is_quiet(
    sit_down, make_operator, screens, axe_script, language, seen_as, takes_pictures
):
    ada = make_operator("Ada", Role.ADMIN, Role.APPROVER, Role.SUPPORT)
    paths = screens(ada)
    named = {endpoint.removeprefix("console.") for endpoint, method in DEEDS if method == "GET"}
    assert set(paths) == named - COMING_IN - NOT_NOW
    page, said, found = sit_down(ada, language=language, script=True), [], []
    page.on("console", lambda message: said.append(message.text))
    for name, path in sorted(paths.items()):
        answer = page.goto(path)
        assert answer.status == 200, (name, path)
        assert page.locator("h1").count() == 1, name
        page.evaluate(axe_script)
        for width, scheme in seen_as:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            wide = page.evaluate("document.documentElement.scrollWidth")
            found += [(name, width, f"{wide} px wide")] * (wide > width)
            seen = page.evaluate(AXE)
            for fault in seen["violations"] + seen["incomplete"]:
                where = [node["html"][:100] for node in fault["nodes"][:2]]
                found.append((name, width, scheme, fault["id"], where))
            if takes_pictures:
                file = PICTURES / f"{name}-{language}-{width}-{scheme}.png"
                page.screenshot(path=file, full_page=True)
    assert found == []
    assert said == []
