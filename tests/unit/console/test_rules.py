"""Operators find rules, look at a domain, test addresses, and read what each revision changed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from domain_rules.rule import AccountClass, Rule, RuleKind
from identity.accounts.models import Account, AccountState
from identity.core.journal import Actor
from identity.freezes import service as freezing
from identity.freezes.models import Frozen
from identity.mail.models import Mail, MailState
from identity.operators.roles import Role, Scope
from identity.rule_changes import service as rule_changes
from tests.worlds.console import *
from tests.worlds.services import EDUCATION, GUESTS, agent
from tests.worlds.visitors import heading, words

ROUEN = "ac-rouen.example"
GIL = "gil.perrin@asso.example"


def rule_for(address):
    return Rule(RuleKind.ADDRESS, address, AccountClass.GUEST, GUESTS, requires_invite=False)


@pytest.fixture
def publish(services, clock):
    def publish(*put, take_away=(), reason="ticket 7"):
        with services.database.transaction() as session:
            found = rule_changes.compare(session, put=put, take_away=take_away)
            return rule_changes.publish(session, clock(), found, Actor("Olga", "here", reason))

    return publish


def domains_on(page):
    return [part.split("<")[0] for part in page.text.split("/admin/domains/")[1:] if '">' in part]


def test_rules_are_found_by_the_beginning_of_their_domain_and_by_what_they_say(
    sign_in, vera, publish, clock
):
    publish(*(agent(f"ac-{name}.example", f"Academy {name}") for name in ("caen", "lille")))
    clock.advance(days=2)
    publish(replace(agent("asso.example", "Société"), homeserver=GUESTS))
    browser = sign_in(vera)
    every = words(browser.get("/admin/domains"))
    assert all(f"ac-{name}.example" in every for name in ("caen", "lille", "rouen"))
    assert "all other addresses" in every
    found = words(browser.get("/admin/domains?prefix=@AC-L"))
    assert ("ac-lille.example" in found, "ac-caen.example" in found) == (True, False)
    at_guests = words(browser.get(f"/admin/domains?homeserver={GUESTS}&kind=domain"))
    assert ("asso.example" in at_guests, "ac-lille" in at_guests) == (True, False)
    late = words(browser.get(f"/admin/domains?changed_since={clock().date().isoformat()}"))
    assert ("asso.example" in late, "ac-lille" in late) == (True, False)
    assert "There is no such rule." in words(browser.get("/admin/domains?organisation=Nobody"))


def test_a_long_list_goes_on_page_by_page_and_shows_each_rule_once(sign_in, vera, publish):
    publish(*(agent(f"d{number:03}.example") for number in range(120)))
    browser = sign_in(vera)
    page, seen = browser.get("/admin/domains?prefix=d"), []
    for _ in range(5):
        seen += [part[:12] for part in page.text.split("/admin/domains/d")[1:]]
        if 'rel="next"' not in page.text:
            break
        page = browser.get(
            page.text.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
        )
    assert len(seen) == len(set(seen)) == 120


def test_no_address_comes_into_a_url_and_only_editors_read_it(sign_in, vera, emil, publish):
    publish(rule_for(GIL))
    browser = sign_in(vera)
    browser.get(f"/admin/domains?prefix={GIL}")
    assert "gil" not in browser.at
    assert "prefix=asso.example" in browser.at
    masked = browser.get("/admin/domains?kind=address")
    assert ("g•••@asso.example" in words(masked), GIL in masked.text) == (True, False)
    by_domain = words(browser.get("/admin/domains?kind=address&prefix=asso"))
    guessed = words(browser.get("/admin/domains?kind=address&prefix=gil"))
    assert ("g•••@asso.example" in by_domain, "g•••@" in guessed) == (True, False)
    assert GIL in words(sign_in(emil).get("/admin/domains?kind=address"))


def test_what_lies_outside_a_scope_is_not_found(sign_in, make_operator, publish):
    publish(replace(agent("asso.example"), homeserver=GUESTS, organisation="Guests"))
    scoped = make_operator("Sam", Role.VIEWER, scope=Scope(homeservers=frozenset({EDUCATION})))
    browser = sign_in(scoped)
    found = words(browser.get("/admin/domains"))
    assert (ROUEN in found, "asso.example" in found) == (True, False)
    assert browser.get(f"/admin/domains/{ROUEN}").status_code == 200
    assert browser.get("/admin/domains/asso.example").status_code == 404
    assert "asso.example" not in words(browser.get("/admin/revisions/2"))


def test_a_domain_tells_who_is_there_what_was_mailed_and_what_it_was(
    services, sign_in, vera, publish, clock, acts
):
    publish(replace(agent(ROUEN), organisation="Rouen of old"), reason="ticket 12")
    with services.database.transaction() as session:
        for number in range(3):
            session.add(
                Account(
                    address=f"a{number}@{ROUEN}",
                    user_id=f"@a{number}:{EDUCATION}",
                    homeserver=EDUCATION,
                    account_class="agent",
                    display_name="A",
                    language="fr",
                    state=AccountState.READY,
                    creation_mark=str(number),
                    created_at=clock(),
                )
            )
        session.add(
            Mail(
                template="verify",
                address=f"a0@{ROUEN}",
                language="fr",
                subject_id=vera.id,
                state=MailState.REFUSED,
                created_at=clock() - timedelta(hours=1),
                ended_at=clock(),
                last_reply="550 5.1.1 unknown",
            )
        )
    acts(freezing.freeze, Frozen.DOMAIN, domain=ROUEN)
    told = words(sign_in(vera).get(f"/admin/domains/{ROUEN}"))
    assert f"agents on {EDUCATION} (Rouen of old)" in told
    assert "agents 3 · guests 0" in told
    assert "refused 1 550 5.1.1 unknown" in told
    assert "Suspended by Olga since 10:00 (Paris time). No end is set. an incident" in told
    assert "ticket 12" in told
    assert "until revision 2" in told


def test_a_domain_without_a_rule_has_a_page_and_says_how_often_it_was_asked_for(
    services, sign_in, vera, clock
):
    browser = sign_in(vera)
    browser.post("/start", email="lea@closed.example", invited="1")
    told = words(browser.get("/admin/domains/closed.example"))
    assert "closed" in told
    assert f"guests on {GUESTS}, by invitation" in told
    assert "while closed 1" in told
    assert "This domain never had a rule." in told


@pytest.mark.parametrize(
    ("written", "status", "at"),
    [
        ("Académie.example", 200, "/admin/domains/xn--acadmie-eya.example"),
        ("lea@closed.example", 200, "/admin/domains/closed.example"),
        ("no%20domain", 404, "/admin/domains/no%20domain"),
        ("x" * 300, 404, f"/admin/domains/{'x' * 300}"),
    ],
)
def test_a_domain_has_one_address(sign_in, vera, written, status, at):
    browser = sign_in(vera)
    assert browser.get(f"/admin/domains/{written}").status_code == status
    assert browser.at == at


def test_an_address_is_tested_now_and_as_of_a_revision_side_by_side(sign_in, vera, publish):
    publish(agent("asso.example"))
    browser = sign_in(vera)
    browser.get("/admin/test")
    typed = f"  {GIL.upper()} "
    told = words(browser.post("/admin/test", addresses=typed, as_of="", beside="1"))
    assert f"Canonical form {GIL}" in told
    assert told.index("Now") < told.index("Revision 1")
    assert "domain:asso.example yes, it decides suffix:asso.example no" in told
    assert "Check your mail" in told
    assert "Addresses at @asso.example cannot create an account yet." in told
    assert "The two answers differ." in told
    assert "gil" not in browser.at


def test_many_lines_are_tested_at_once_and_each_fault_is_named(sign_in, vera, publish):
    publish(agent("asso.example"))
    browser = sign_in(vera)
    browser.get("/admin/test")
    lines = [GIL, "no at sign", f"contact@{ROUEN}", "asso.example", "x@ac-ruoen.example"]
    told = words(browser.post("/admin/test", addresses="\r\n".join(lines), beside="1"))
    assert "5 lines" in told
    assert "no at sign" in told
    assert "seems to be shared" in told or "shared by several" in told
    assert "Did you mean x@ac-rouen.example?" in told
    assert told.count("different") == 2


def test_what_cannot_be_tested_is_said_and_kept(sign_in, vera):
    browser = sign_in(vera)
    browser.get("/admin/test")
    for fields in (
        {"addresses": " "},
        {"addresses": "x@y.example\n" * 1001},
        {"addresses": GIL, "as_of": "99"},
        {"addresses": GIL, "as_of": "C-99"},
        {"addresses": GIL, "as_of": "yesterday"},
        {"addresses": GIL, "beside": "-1"},
    ):
        answer = browser.post("/admin/test", **fields)
        assert answer.status_code == 400
        assert fields["addresses"].strip()[:20] in answer.text


def test_a_revision_shows_what_it_changed_of_the_one_before(sign_in, vera, publish):
    publish(agent("asso.example"), replace(agent(ROUEN), homeserver=GUESTS), reason="ticket 4412")
    publish(take_away=[agent("asso.example")])
    browser = sign_in(vera)
    listed = words(browser.get("/admin/revisions"))
    assert listed.index("3 ") < listed.index("ticket 4412")
    assert "+1 -0 ~1" in listed
    told = words(browser.get("/admin/revisions/2"))
    assert "+ added asso.example this domain closed" in told
    assert f"~ changed {ROUEN}" in told
    assert "− removed asso.example" in words(browser.get("/admin/revisions/3"))
    assert browser.get("/admin/revisions/4").status_code == 404


@pytest.mark.parametrize("path", ["/admin/domains", "/admin/test", "/admin/revisions"])
def test_an_auditor_sees_none_of_it(sign_in, make_operator, path):
    answer = sign_in(make_operator("Aude", Role.AUDITOR)).get(path)
    assert (answer.status_code, heading(answer)) == (403, "Your role does not allow this")
