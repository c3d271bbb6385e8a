"""Every state of every page in Chromium, in both languages: for everybody, on any screen, without a word in the console."""

import re

import pytest

from tests.worlds.in_chromium import *
from tests.worlds.pages import *

AXE = (
    "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],"
    " resultTypes: ['violations', 'incomplete']})"
)


@pytest.fixture
def settings(tmp_path):
    """With a link for telephones, so that the last page has its code too."""
    link = "https://m.example/?account_provider={server_name}&login_hint=mxid:{user_id}"
    return {"data_dir": tmp_path, "_env_file": None, "phone_url": link}


@pytest.mark.parametrize(
    ("language", "seen_as"),
    [("fr", ((320, "light"), (1280, "dark"))), ("en", ((320, "dark"),))],
    ids=["fr", "en"],
)
def test_every_state_passes_axe_fits_the_screen_and_is_quiet(walk, axe_script, language, seen_as):
    ana = walk(language)
    said, foreign = [], []
    for page in (ana.desk, ana.phone):
        page.on("console", lambda message: said.append(message.text))
        page.on("request", lambda r: foreign.append(r.url) if ana.url not in r.url else None)
    found, seen = [], set()
    for name, page in ana.everywhere():
        seen.add(name)
        assert page.locator("h1").count() == 1, name
        page.evaluate(axe_script)
        for width, scheme in seen_as:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            found += too_wide_or_small(name, page, width)
            answer = page.evaluate(AXE)
            for fault in answer["violations"] + answer["incomplete"]:
                where = [node["html"][:100] for node in fault["nodes"][:2]]
                found.append((name, width, scheme, fault["id"], where))
    assert found == []
    assert len(seen) > 60
    assert foreign == []
    assert [text for text in said if not re.search(r"status of (400|401|404)", text)] == []


def too_wide_or_small(name, page, width):
    """Horizontal scrolling, and buttons or fields that a thumb misses."""
    wide = page.evaluate("document.documentElement.scrollWidth")
    small = page.evaluate(
        "[...document.querySelectorAll('button, .button, input:not([type=hidden]), summary')]"
        ".map(e => [e, e.getBoundingClientRect()])"
        ".filter(([e, box]) => box.width && (box.height < 44 || box.width < 44))"
        ".map(([e]) => e.outerHTML.slice(0, 80))"
    )
    return [(name, width, f"{wide} px wide")] * (wide > width) + [(name, width, s) for s in small]
