"""Operators change rules in Chromium: by keyboard alone, two at once, without approval and back, by a file."""

import re
import threading

import pytest
from playwright.sync_api import expect
from sqlalchemy import func, select

from domain_rules.csv_rules import write_csv
from identity.operators.roles import Role
from identity.rule_changes import change_models
from identity.threepids import associations
from identity.threepids.associations import Association
from tests.worlds.console import *
from tests.worlds.console_in_chromium import *
from tests.worlds.many_rows import fill
from tests.worlds.rule_changing import *
from tests.worlds.services import agent

pytestmark = pytest.mark.browser
MOST_KEYS = 25
A_WHILE = 300_000  # milliseconds
ADDRESSES, CROWD = 300_000, "open.example"


@pytest.fixture
def database_url(sqlite_url):
    """One database is enough here: both are behind the same screens in the unit tests."""
    return sqlite_url


class Keyboard:
    """Presses keys and counts them; what is typed into a field is not counted."""

    def __init__(self, page) -> None:
        self.page, self.pressed = page, 0

    def press(self, key, times=1):
        for _ in range(times):
            self.page.keyboard.press(key)
        self.pressed += times

    def enter(self):
        """Press Enter on what leads to another page, and be there."""
        with self.page.expect_navigation():
            self.press("Enter")

    def jump(self, place):
        """Press Enter on a link within the page, and be there: the browser goes in its own time."""
        self.press("Enter")
        expect(self.page.locator(place)).to_be_focused()

    def to_content(self):
        """By the link that skips the bar: the next Tab is the first thing of the page."""
        self.press("Tab")
        self.jump("#content")


@pytest.mark.parametrize("language", ["en", "fr"])
def test_12_a_domain_is_opened_by_keyboard_alone_in_25_keys(
    sit_down, ines, people, work, in_force, language
):
    page = sit_down(ines, language=language)
    keys = Keyboard(page)
    page.goto("/admin/")
    keys.press("Tab", 4)  # the link past the bar, the name, the other language, the search
    page.keyboard.type(ASSO)
    keys.enter()
    keys.to_content()
    keys.press("Tab")
    keys.enter()  # on "Open"
    keys.press("Tab", 3)  # past the domain, the tick and the decision, which are as wanted
    page.keyboard.type("e")  # chooses the homeserver; more letters must come within a second
    expect(page.locator("select:focus")).to_have_value(EDUCATION)
    keys.press("Tab")
    page.keyboard.type("Asso")
    keys.enter()
    work()
    expect(page.locator("main a.button")).to_be_focused()
    keys.enter()  # on "Refresh"
    keys.to_content()
    keys.press("Tab")
    keys.jump("#decide")
    keys.press("Tab")
    page.keyboard.type("3")
    keys.enter()
    work()
    assert in_force().organisation == "Asso"
    assert keys.pressed <= MOST_KEYS


@pytest.mark.long
def test_6_300_000_addresses_are_counted_in_sight_and_more_than_approved_is_returned(
    sit_down, emil, ines, approvers, services, clock, work, read, in_force
):
    with services.database.transaction() as session:
        fill(session, clock(), ADDRESSES, tables=("associations",))
    editor, approver = sit_down(emil, script=True), sit_down(ines)
    for page in (editor, approver):
        page.set_default_timeout(A_WHILE)
    editor.goto(f"/admin/changes/new?domain={CROWD}")
    editor.select_option("#homeserver", EDUCATION)
    editor.click("main form button.button >> nth=0")
    worker = threading.Thread(target=work)
    worker.start()
    expect(editor.locator("#progress")).to_contain_text(f"of {ADDRESSES:,}", timeout=A_WHILE)
    expect(editor.locator("form[action*=propose]")).to_be_visible(timeout=A_WHILE)
    worker.join()
    with services.database.reading() as session:
        own = [Association.address.like(f"%@{CROWD}"), Association.medium == "email"]
        counted = session.scalar(select(func.count()).select_from(Association).where(*own))
    assert (counted, read().counts["change_homeserver"]) == (ADDRESSES, ADDRESSES)
    editor.click("form[action*=propose] button")
    approver.goto("/admin/changes/C-1")
    approver.fill("#typed", str(ADDRESSES))
    approver.click("form[action*=approve] button.button")
    with services.database.transaction() as session:
        late = {"address": f"late@{CROWD}", "user_id": f"@late:{GUESTS}"}
        associations.bind(session, clock(), **late)
    work()
    approver.reload()
    expect(approver.locator("main")).to_contain_text(f"{ADDRESSES + 1:,}")
    expect(approver.locator("main")).to_contain_text("A new approval is needed")
    assert (read().state, in_force(CROWD)) == ("proposed", None)


def test_7_two_editors_of_one_draft_see_each_other_and_nobody_approves_their_own(
    sit_down, emil, ines, approvers, make_operator, people, work, read, services
):
    eva = make_operator("Eva", Role.EDITOR)
    one, other = sit_down(emil, language="fr"), sit_down(eva, language="fr")
    one.goto(f"/admin/changes/new?domain={ASSO}")
    one.select_option("#homeserver", EDUCATION)
    one.fill("#organisation", "Asso")
    one.click("main form button.button")
    work()
    for page in (one, other):
        page.goto("/admin/changes/C-1")
        page.click("td a[href*=line]")
    other.fill("#organisation", "D’Eva")
    other.click("main form button.button >> nth=0")
    one.fill("#organisation", "D’Emil")
    one.click("main form button.button >> nth=0")
    expect(one.locator("h1")).to_have_text("Quelqu’un a été plus rapide")
    expect(one.locator("main")).to_contain_text("(D’Eva)")
    expect(one.locator("#organisation")).to_have_value("D’Emil")
    one.click("main form button.button >> nth=0")
    with services.database.reading() as session:
        lines = change_models.find_lines(session, read().id)
    assert [line.rule["organisation"] for line in lines] == ["D’Emil"]
    one.click("form[action*=check] button")
    work()
    one.goto("/admin/changes/C-1")
    one.click("form[action*=propose] button")
    expect(one.locator("main")).to_contain_text("C’est votre changement")
    assert one.locator("form[action*=approve]").count() == 0
    approver = sit_down(ines, language="fr")
    approver.goto("/admin/changes/C-1")
    approver.fill("#typed", "2")
    approver.click("form[action*=approve] button.button")
    expect(approver.locator("#typed-fault")).to_contain_text(
        "Écrivez exactement ce qui est demandé."
    )
    approver.fill("#typed", "3")
    approver.click("form[action*=approve] button.button")
    work()
    approver.reload()
    expect(approver.locator("main")).to_contain_text("Appliqué à")
    assert read().approved_by == "Ines"


def test_8_the_glass_is_broken_reviewed_and_the_change_rolled_back_around_a_later_one(
    sit_down, emil, ines, ivo, approvers, people, work, read, in_force
):
    editor, night, day = sit_down(emil), sit_down(ines), sit_down(ivo)
    for name in (ASSO, "other.example"):
        editor.goto(f"/admin/changes/new?domain={name}")
        editor.select_option("#homeserver", EDUCATION)
        if name != ASSO:
            editor.select_option("#into", index=1)
        editor.click("main form button.button >> nth=0")
        work()
    night.goto("/admin/changes/C-1")
    night.click("a[href*=break-glass]")
    night.fill("#typed", "3")
    night.fill("#reason", "a court order of tonight")
    night.click("main form button.button")
    work()
    assert (in_force() is not None, read().lines) == (True, 2)
    day.goto("/admin/changes/C-1")
    day.click("form[action*=review] button")
    expect(day.locator("main")).to_contain_text("Reviewed by Ivo.")
    editor.goto("/admin/changes/new?domain=other.example")
    editor.fill("#organisation", "Since")
    editor.click("main form button.button >> nth=0")
    work()
    editor.goto("/admin/changes/C-2")
    editor.click("form[action*=propose] button")
    day.goto("/admin/changes/C-2")
    day.click("form[action*=approve] button.button")
    work()
    night.goto("/admin/changes/C-1/roll-back")
    expect(night.locator("fieldset")).to_contain_text("other.example")
    night.fill("#reason", "the order is lifted")
    night.click("main form button.button")
    work()
    night.reload()
    night.fill("#typed", night.locator("label[for=typed]").inner_text().split()[1])
    night.click("form[action*=approve] button.button")
    work()
    assert in_force() is None
    assert in_force("other.example").organisation == "Since"
    assert read(3).state == "applied"


@pytest.mark.long
def test_9_33_000_lines_are_imported_and_exported_again_without_a_difference(
    sit_down, ines, work, read, in_force, tmp_path
):
    rules = [agent(f"ville-{number}.example", "Villes") for number in range(33_000)]
    lines = write_csv(rules).splitlines()
    lines[7] = lines[7].replace(".example", " example", 1)
    lines[8] = lines[8].replace(EDUCATION, "nowhere.example")
    lines[9] = re.sub(r"ville-\d+\.example", "gmail.com", lines[9])
    given = tmp_path / "villes.csv"
    given.write_text("\n".join(lines), encoding="utf-8")
    page = sit_down(ines, language="fr")
    page.set_default_timeout(A_WHILE)
    page.goto("/admin/changes/import")
    page.set_input_files("#file", given)
    page.click("main form button.button")
    expect(page.locator("h1")).to_have_text("Le fichier est lu", timeout=A_WHILE)
    work()
    page.reload()
    expect(page.locator("tbody tr")).to_have_count(3)
    page.click("main .lead a")
    work()
    page.reload()
    page.click("form[action*=approve] button.button")
    work()
    assert in_force("ville-32999.example").organisation == "Villes"
    assert read().lines == 32_997
    page.goto("/admin/domains")
    page.click("details:has(form[action*=export]) summary")
    page.select_option("#format", "csv")
    with page.expect_download() as saved:
        page.click("form[action*=export] button")
    back = tmp_path / "back.csv"
    saved.value.save_as(back)
    page.goto("/admin/changes/import")
    page.set_input_files("#file", back)
    page.check("input[name=exactly]")
    page.click("main form button.button")
    work()
    page.reload()
    expect(page.locator("h1")).to_have_text("Rien à changer")
