"""What belongs to others is not found, on any route of the console and of its API.

Every route that names a thing in its path is called for a thing outside the scope, and for the same
thing by somebody with the whole federation: the first is told 404, the second anything else.
"""

import re
import uuid
from datetime import timedelta

import pytest

from identity.console.api import guards as admin_guards
from identity.console.pages import frame as console_frame
from identity.core import journal
from identity.core.journal import BY_COMMAND, Actor
from identity.invitations.models import ThirdPartyInvitation
from identity.mail import models as mails
from identity.mail.quota import Template
from identity.operators.roles import PERMISSIONS, Deed, Role, Scope
from tests.worlds.admin_api import *
from tests.worlds.domain_askers import *

CAMILLE = "camille.durand@ac-rouen.example"
THEIRS = Scope(homeservers=frozenset({GUESTS}))
# What forms read before they look for the thing.
FIELDS = {
    "reason": f"{WHY}, for a test",
    "kind": "domain",
    "pattern": "ac-rouen.example",
    "account_class": "agent",
    "homeserver": EDUCATION,
    "version": "1",
    "title": "x",
    "refusal": "not_ours",
    "question": "Who runs it?",
    "into": "D-1",
    "days": "7",
    "what": "invited-stored",
    "key": "none",
}
EVERYTHING = (Role.SUPPORT, Role.APPROVER)
LISTS = ("rules?kind=domain", "changes", "homeservers", "invitations", "mails", "requests")
# These name no thing of a homeserver or organisation: what is frozen, a revision of all rules, one's own
# sessions, forms and files, operators and tokens (for admins, who have no scope), and links.
OF_NOBODY = (
    *("freezes/", "revisions/", "me/", "kept/", "access/", "sign-in/", "imports/"),
    "changes/import/",
)


@pytest.fixture
def database_url(sqlite_url):
    """What is filtered by the database is tested on both where it is written."""
    return sqlite_url


@pytest.fixture
def whole(make_operator):
    """Somebody with every role that has a scope, who looks after the whole federation."""
    return make_operator("Whole", *EVERYTHING)


@pytest.fixture
def narrow(make_operator):
    """Somebody with the same roles, who looks after the homeserver of guests alone."""
    return make_operator("Narrow", *EVERYTHING, scope=THEIRS)


@pytest.fixture
def by_whole(app, whole, issue_token):
    return Program(app, issue_token(whole, name="whole"))


@pytest.fixture
def by_narrow(app, narrow, issue_token):
    return Program(app, issue_token(narrow, scope=THEIRS, name="narrow"))


@pytest.fixture
def of_education(services, clock, request_, by_whole, office):
    """One thing of each kind that belongs to education.example, by where its path begins."""
    now = clock()
    with services.database.transaction() as session:
        invitation = ThirdPartyInvitation(
            address=CAMILLE,
            room_id="!room:education.example",
            sender="@zoe:education.example",
            token="t",
            public_key="p",
            sealed_key="s",
            signing_key_id="ed25519:0",
            facts={},
            for_guest=False,
            created_at=now,
            expires_at=now + timedelta(days=30),
        )
        session.add(invitation)
        session.flush()
        mail = mails.order(
            session,
            now,
            template=Template.VERIFY,
            address=CAMILLE,
            language="fr",
            subject_id=uuid.uuid4(),
        )
        mail_id, invitation_id = mail.id, invitation.id
    office.ask()
    remove = {"title": "close", "remove": [{"kind": "domain", "pattern": "ac-rouen.example"}]}
    assert by_whole.post("/changes", remove).status_code == 201
    file = by_whole.post("/people/search", {"address": CAMILLE, "reason": WHY})
    return {
        "changes/": "1",
        "domains/": "ac-rouen.example",
        "homeservers/": EDUCATION,
        "invitations/": str(invitation_id),
        "mails/": str(mail_id),
        "people/": file.json["id"],
        "requests/": "1",
    }


def named(app, blueprint, known, prefix, things):
    """Method and path of every route that names a thing, and what it does."""
    found = []
    for rule in app.url_map.iter_rules():
        below = rule.rule.removeprefix(f"{prefix}/")
        if not rule.endpoint.startswith(f"{blueprint}.") or "<" not in below:
            continue
        if below.startswith(OF_NOBODY):
            continue
        kinds = [value for begins, value in things.items() if below.startswith(begins)]
        assert kinds, f"add a thing outside the scope for {rule.rule}, or say why there is none"
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            path = re.sub(r"<[^>]+>", kinds[0], below)
            found.append((method, f"/{path}", known[rule.endpoint, method]))
    return found


def called(caller, method, path, body):
    """What it answers, without the fields that this call does not have."""
    while True:
        answer = caller.open(method, path, body, If_Match='"1"')
        if not answer.json.get("error", "").startswith("There is no such field"):
            return answer
        body = {name: body[name] for name in body.keys() - {answer.json["org.guichet.field"]}}


def test_no_call_finds_what_belongs_to_others(app, by_whole, by_narrow, of_education, clock):
    routes = named(app, "admin_api", admin_guards.ROUTES, PREFIX, of_education)
    assert len(routes) > 20
    until = (clock() + timedelta(hours=1)).isoformat()
    body = FIELDS | {"into": 1, "days": 7, "until": until}
    for method, path, route in routes:
        if PERMISSIONS[route.deed].step_up:
            continue
        seen = [called(caller, method, path, body).status_code for caller in (by_narrow, by_whole)]
        assert seen[0] == 404, f"{method} {path}"
        assert seen[1] != 404, f"{method} {path}"


def test_no_screen_or_form_finds_what_belongs_to_others(
    app, services, narrow, sign_in, of_education
):
    browser = sign_in(narrow)
    browser.get("/start")
    routes = named(app, "console", console_frame.DEEDS, "/admin", of_education)
    assert len(routes) > 20
    for method, path, deed in routes:
        if deed in {Deed.MANAGE_HOMESERVER, Deed.ERASE_PERSON}:  # of admins, who have no scope
            continue
        if method == "GET":
            status = browser.client.get(f"/admin{path}").status_code
        else:
            status = browser.send(f"/admin{path}", **FIELDS).status_code
        assert status == 404, f"{method} {path}"


def test_no_list_names_what_belongs_to_others(by_whole, by_narrow, of_education, clock):
    for name in LISTS:
        hidden, shown = (each.get(f"/{name}").text for each in (by_narrow, by_whole))
        for trace in ("ac-rouen", "C-1", "D-1", f'"{EDUCATION}"', "zoe"):
            assert trace not in hidden.replace("@z", ""), name
        assert '"items":[]' not in shown, name


def test_the_journal_of_a_scope_has_its_own_deeds_alone(by_whole, by_narrow, of_education, clock):
    assert by_narrow.get("/journal").json["items"] == []
    until = (clock() + timedelta(hours=1)).isoformat()
    frozen = {"what": "domain", "domain": "ac-rouen.example", "until": until, "reason": WHY}
    assert by_narrow.post("/freezes", frozen).json["org.guichet.reason"] == "scope_needed"
    held = by_narrow.post(f"/homeservers/{GUESTS}/hold", {"until": until, "reason": WHY})
    assert held.status_code == 200
    assert [row["action"] for row in by_narrow.get("/journal").json["items"]] == ["homeserver.hold"]
    assert len(by_whole.get("/journal?action=change").json["items"]) == 1


def test_what_the_shell_did_under_the_name_of_an_operator_is_not_theirs(
    services, clock, by_whole, by_narrow
):
    with services.database.transaction() as session:
        by_command = Actor("Narrow", f"{BY_COMMAND}guichet-1")
        journal.write(session, clock(), by_command, action="rules.publish", subject="88", facts={})
    assert by_narrow.get("/journal").json["items"] == []
    assert len(by_whole.get("/journal?action=rules").json["items"]) > 0
