"""From "not open" to the status page: the mailbox is proved before anything is stored or shown."""

import pytest
from sqlalchemy import func, select

from identity.domain_requests import deciding
from identity.domain_requests.models import DomainRequest, Refusal
from identity.routing import address_lists
from identity.routing.address_list_models import AddressList
from tests.worlds.domain_askers import *
from tests.worlds.visitors import heading, title, words


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # the queries are tried on both in test_asking.py and test_deciding.py


@pytest.fixture
def proved(browser, office):
    """A browser in which Jean has typed the code."""

    def proved(address=JEAN, page=browser):
        page.post("/my-domain", email=address)
        page.post("/my-domain/code", code=office.code_for(address))
        return page

    return proved


def ask(page, **fields):
    return page.post("/my-domain/request", **(FORM | fields))


def stored(services):
    with services.database.reading() as session:
        return session.scalar(select(func.count()).select_from(DomainRequest))


def test_from_not_open_to_a_request_with_its_mail(browser, office, services, postbox, link_in):
    shown = browser.start(JEAN)
    assert heading(shown) == f"Addresses at @{NORMANDIE} are not open yet"
    assert f"Ask for @{NORMANDIE} to be opened" in words(shown)
    assert 'action="/my-domain"' in shown.text
    code_page = browser.post("/my-domain", email=JEAN)
    assert heading(code_page) == "Type the code of our email"
    assert stored(services) == 0
    form = browser.post("/my-domain/code", code=office.code_for())
    assert heading(form) == f"Your request for @{NORMANDIE}"
    assert stored(services) == 0
    status = ask(browser)
    assert heading(status) == f"Request D-1 for @{NORMANDIE}"
    assert "1 person has asked for it." in words(status)
    office.work()
    assert postbox.sent[-1]["Subject"] == "Your request D-1 is recorded"
    assert heading(browser.get(link_in())) == heading(status)
    assert JEAN not in browser.at


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ana@ac-rouen.example", "Addresses at @ac-rouen.example are open already"),
        ("ana@sibling.example", "Use the other domain of your organisation, not @sibling.example"),
        ("ana@gmail.com", "@gmail.com cannot be opened"),
        ("ana@yopmail.com", "@yopmail.com cannot be opened"),
        ("ana@listed.example", "@listed.example cannot be opened"),
        (
            f"contact@{NORMANDIE}",
            f"Use an address in your own name, not a shared mailbox at @{NORMANDIE}",
        ),
        ("ana@refused.example", "@refused.example was refused"),
    ],
)
def test_at_the_door_a_page_says_why_a_domain_cannot_be_asked_for(
    browser, office, services, acts, postbox, address, said
):
    with services.database.transaction() as session:
        who, now = OPERATOR, services.now()
        address_lists.change(
            session, now, who, AddressList.NEVER_AGENT, "listed.example", is_listed=True
        )
        sibling = Rule(
            RuleKind.DOMAIN,
            "sibling.example",
            AccountClass.AGENT,
            None,
            requires_invite=False,
            sibling_of="ac-rouen.example",
        )
        rule_changes.publish(session, now, rule_changes.compare(session, put=[sibling]), who)
    office.ask("lea@refused.example")
    office.do(deciding.refuse, 1, refusal=Refusal.NOT_OURS, for_a_year=True)
    office.work()
    sent = len(postbox.sent)
    office.clock.advance(seconds=5)
    services.rules._looked_at = float("-inf")
    answer = browser.post("/my-domain", email=address)
    assert heading(answer) == said
    office.work()
    assert len(postbox.sent) == sent
    assert address not in browser.at


def test_until_the_code_every_domain_looks_alike(browser, app, services, office):
    office.ask(f"lea@{NORMANDIE}")
    pages = []
    for address in (JEAN, f"lea@{NORMANDIE}", "jean@other.example"):
        page = Browser(app, services).post("/my-domain", email=address)
        pages.append(words(page).replace(address, "…"))
    assert len(set(pages)) == 1
    assert "D-1" not in pages[0]


def test_a_wrong_code_and_no_code_lead_nowhere(browser, office, services):
    assert heading(browser.get("/my-domain/request")) == "Ask for your domain to be opened"
    browser.post("/my-domain", email=JEAN)
    wrong = browser.post("/my-domain/code", code=codes.wrong(office.code_for()))
    assert (wrong.status_code, title(wrong)[:6]) == (400, "Error:")
    assert heading(browser.get("/my-domain/request")) == "Ask for your domain to be opened"
    assert ask(browser).status_code == 200
    assert stored(services) == 0


def test_a_double_click_on_the_code_and_on_the_form_makes_one_request(
    browser, office, services, proved
):
    proved()
    again = browser.post("/my-domain/code", code=office.code_for())
    assert heading(again) == f"Your request for @{NORMANDIE}"
    assert heading(ask(browser)) == heading(ask(browser)) == f"Request D-1 for @{NORMANDIE}"
    assert (stored(services), office.read().people) == (1, 1)


def test_the_form_keeps_what_was_typed_and_says_what_is_missing(proved, browser):
    proved()
    answer = ask(browser, position="", size="many", site="x" * 201)
    assert answer.status_code == 400
    assert "Fill in this field: Your position" in words(answer)
    for field in ("position", "size", "site"):
        assert f'href="#{field}"' in answer.text
    assert 'value="Académie de Normandie"' in answer.text


def test_the_link_of_the_mail_shows_nothing_without_the_code(
    proved, browser, app, services, office, link_in
):
    ask(proved())
    office.work()
    other = Browser(app, services)
    wanted = other.get(link_in())
    assert heading(wanted) == "Confirm that this request is yours"
    assert JEAN not in wanted.text
    status = other.at
    for deed in ("proof", "withdraw", "answer"):
        assert other.send(f"{status}/{deed}", answer="mine").status_code == 404
    assert office.read().state == "open"
    office.clock.advance(minutes=2)
    other.post(f"{status}/code")
    assert heading(other.post("/my-domain/code", code=office.code_for())) == (
        f"Request D-1 for @{NORMANDIE}"
    )


def test_the_code_can_be_typed_behind_the_link_in_another_browser(
    browser, app, services, office, postbox
):
    browser.post("/my-domain", email=JEAN)
    code = office.code_for()
    text = postbox.sent[-1].get_body(("plain",)).get_content()
    link = re.search(r"http://127\.0\.0\.1:8090(/v/\S+)", text)[1]
    phone = Browser(app, services)
    for _ in range(3):
        assert phone.get(link).status_code == 200
    assert JEAN not in words(phone.get(link))
    assert heading(phone.post(link, code=code)) == f"Your request for @{NORMANDIE}"
    assert heading(browser.get("/my-domain/request")) == "Ask for your domain to be opened"


def test_somebody_elses_session_opens_no_request(proved, app, services, office, link_in, clock):
    ask(proved())
    office.work()
    mine = link_in()
    lea = Browser(app, services)
    proved(f"lea@{NORMANDIE}", lea)
    assert heading(lea.get(mine)) == "Confirm that this request is yours"
    status = ask(lea)
    assert "2 people have asked for it." in words(status)
    assert "jean" not in status.text


def test_a_session_ends_after_four_hours(proved, browser, clock):
    status = ask(proved()).request.path
    clock.advance(hours=4)
    assert heading(browser.get(status)) == "Confirm that this request is yours"


def test_a_question_is_answered_on_the_page(proved, browser, office):
    status = ask(proved()).request.path
    office.do(deciding.ask_back, 1, question="Who runs it?")
    assert "Who runs it?" in words(browser.get(status))
    assert browser.post(f"{status}/answer", answer=" ").status_code == 400
    answered = browser.post(f"{status}/answer", answer="We do.\nReally.")
    assert "Your answer is recorded." in words(answered)
    assert "We do." in words(answered)
    assert office.read().state == "open"
    late = browser.post(f"{status}/answer", answer="again")
    assert (late.status_code, "decided already" in words(late)) == (409, True)


def test_the_proof_shows_what_was_found_and_where(proved, browser, office, clock):
    status = ask(proved()).request.path
    office.dns.add_zone(NORMANDIE)
    begun = browser.post(f"{status}/proof")
    assert f"_guichet.{NORMANDIE}" in words(begun)
    assert office.proof().value in words(begun)
    office.dns.put(f"_guichet.{NORMANDIE}.{NORMANDIE}", "TXT", f'"{office.proof().value}"')
    office.work()
    seen = words(browser.get(status))
    assert f"the record is at _guichet.{NORMANDIE}.{NORMANDIE}" in seen
    assert f"ns1.{NORMANDIE}" in seen
    assert "Try again in a minute" in words(browser.post(f"{status}/proof"))
    office.dns.put(f"_guichet.{NORMANDIE}", "TXT", f'"{office.proof().value}"')
    clock.advance(minutes=1)
    assert "We are looking for the record." in words(browser.post(f"{status}/proof"))
    office.work()
    assert "the record is there." in words(browser.get(status))


def test_a_withdrawn_request_can_be_made_again(proved, browser, office):
    status = ask(proved()).request.path
    gone = browser.post(f"{status}/withdraw")
    assert "You withdrew your request" in words(gone)
    assert office.read().state == "withdrawn"
    assert heading(browser.get("/my-domain/request")) == f"Your request for @{NORMANDIE}"
    assert heading(ask(browser)) == f"Request D-2 for @{NORMANDIE}"


def test_who_withdrew_begins_no_proof_and_answers_nothing(proved, browser, office):
    status = ask(proved()).request.path
    office.ask(f"lea@{NORMANDIE}")
    office.do(deciding.ask_back, 1, question="Who runs it?")
    browser.post(f"{status}/withdraw")
    browser.send(f"{status}/proof")
    assert office.proof() is None
    assert browser.send(f"{status}/answer", answer="We do.").status_code == 409
    assert office.read().state == "asked"


def test_the_proof_says_when_it_is_looked_for_the_last_time(proved, browser, office):
    status = ask(proved()).request.path
    browser.post(f"{status}/proof")
    office.work()
    assert "for the last time on 4 March 2027" in words(browser.get(status))


def test_a_domain_opened_between_door_and_form_leads_back_to_the_door(
    proved, browser, office, services
):
    proved()
    rule = Rule(RuleKind.DOMAIN, NORMANDIE, AccountClass.AGENT, EDUCATION, requires_invite=False)
    with services.database.transaction() as session:
        difference = rule_changes.compare(session, put=[rule])
        rule_changes.publish(session, office.clock(), difference, OPERATOR)
    before = services.rules.current
    assert before().rule_of_domain(NORMANDIE) is None
    answer = browser.send("/my-domain/request", **FORM)
    assert (answer.status_code, stored(services)) == (200, 0)


def test_only_invisible_letters_are_nothing(proved, browser, services):
    proved()
    assert ask(browser, organisation="\u200b\u202e").status_code == 400
    assert stored(services) == 0


def test_the_french_name_of_the_page_speaks_french(browser):
    assert heading(browser.get("/mon-domaine")) == "Demander l’ouverture de votre domaine"
    assert 'lang="fr"' in browser.get("/mon-domaine").text


def test_a_cut_or_forged_link_is_not_found(browser, office):
    office.ask()
    for token in ("x", "a" * 50, office.services.tokens.link(office.read().id, "verify")):
        assert browser.get(f"/my-domain/{token}").status_code == 404
