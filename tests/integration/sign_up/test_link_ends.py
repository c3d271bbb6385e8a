"""What mail programs leave behind a link, or write into it, does not keep its page from opening."""

import string

import pytest

from tests.worlds.pages import *
from tests.worlds.visitors import heading

BASE64URL = string.ascii_letters + string.digits + "-_"

BEHIND = [
    ".",
    ",",
    ">",
    ")",
    "]",
    ").",
    ">.",
    "/",
    "//",
    "/.",
    "%20",
    "%20et%20la%20suite",
    "%0A",
    "%C2%A0",
    "%E2%80%8B",
    "%E2%80%A6",
    "%22",
    "'",
    "*",
    "_",
    "-",
    "=",
    "=3D",
    "=0A",
    ";",
    "&",
    "&amp;x=1",
    "&utm_source=mail",
    "?",
    "?utm_source=mail",
    "?utm_source=mail&lang=xx&notice=x",
    "Ce",
    "CordialementCamille",
    "/suite/du/texte",
    "%2Fsuite",
    "x" * 3000,
    "%ff",
    "%00",
]


@pytest.fixture
def links(site, ana) -> dict[str, str]:
    """The link of every mail, and what its page is called."""
    ana.start()
    site.invited()
    made = [
        site.link(),
        site.link(purpose="not_me"),
        site.mailed(),
        site.mailed(purpose="not_me"),
        site.mailed(purpose="opt_out"),
    ]
    found = {link: heading(ana.get(link)) for link in made}
    assert len(set(found.values())) >= 4
    assert "Ce lien n’est pas complet" not in found.values()
    return found


@pytest.mark.parametrize("behind", BEHIND, ids=lambda text: text[:20])
def test_a_link_opens_whatever_stands_behind_it(ana, links, behind):
    for link, title in links.items():
        answer = ana.get(f"{link}{behind}")
        assert (answer.status_code, heading(answer)) == (200, title), link + behind


@pytest.mark.parametrize("spelled", ["/{link}", "//{link}", "/.{link}", "/x/..{link}"])
def test_a_link_opens_with_more_slashes_and_dots(ana, links, spelled):
    for link, title in links.items():
        for written in (link, f"{link[:2]}//{link[3:]}"):
            assert heading(ana.get_as_written(spelled.format(link=written))) == title


def test_a_link_opens_with_its_letters_written_as_numbers(ana, links):
    for link, title in links.items():
        assert heading(ana.get(f"/%{ord(link[1]):02x}{link[2:]}")) == title
        assert heading(ana.get(f"{link[:5]}%{ord(link[5]):02X}{link[6:]}")) == title


def test_a_form_behind_such_a_link_works(ana, phone, site):
    ana.start()
    link = f"{site.link()}).&utm_source=mail"
    assert ana.post(link).status_code == 200
    assert site.newest().confirmed_at is not None


def test_a_link_that_was_cut_or_changed_opens_nothing(ana, site):
    ana.start()
    link = site.link()
    ends = [f"{link[:-1]}{letter}" for letter in BASE64URL if letter != link[-1]]
    for changed in (link[:-1], f"/v/x{link[3:]}", *ends):
        assert ana.get(changed).status_code == 404, changed
