"""A set of mails with facts as they come."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from identity.invitations.mails import digest_facts
from identity.mail.composing import Frame, compose, compose_branded
from identity.operators.notices import What
from identity.registration.welcomes import Welcome

ORDERED = datetime(2027, 3, 14, 15, 30, tzinfo=UTC)  # half past four in Paris, a Sunday
HOST = "https://guichet.example"
TOKEN = "Zm9yZ2V0IGFib3V0IHRoaX.b25lLCBpdCBpcyBvbmx5IGEgdGV"


def frame(**other) -> Frame:
    facts = {
        "to": "camille.durand@ac-rouen.example",
        "language": "fr",
        "message_id": UUID("6f1c1f6e-5a52-4f6e-9a2f-0a4b2b1f9d11"),
        "date": ORDERED,
        "sender": "Guichet <bonjour@mail.example>",
        "reply_to": "Assistance <aide@mail.example>",
        "service": "Guichet",
        "support_url": None,
        "public_url": HOST,
        "zone": ZoneInfo("Europe/Paris"),
    }
    return Frame(**(facts | other))


def verification(**other):
    facts = {
        "code": "48291375",
        "link": f"{HOST}/v/{TOKEN}",
        "not_me_link": f"{HOST}/n/{TOKEN}",
        "requested_at": ORDERED,
        "code_expires_at": ORDERED + timedelta(minutes=60),
        "link_expires_at": ORDERED + timedelta(hours=24),
        "device": "",
        "others": (),
        "inviter": None,
    }
    return lambda of: compose("verify", of, **(facts | other))


def invitation(**other) -> dict[str, object]:
    facts = {
        "link": f"{HOST}/v/{TOKEN}",
        "unknown_link": f"{HOST}/n/{TOKEN}",
        "opt_out_link": f"{HOST}/d/{TOKEN}",
        "code": "48291375",
        "code_expires_at": ORDERED + timedelta(hours=24),
        "masked": "q•••@ac-rouen.example",
        "inviter": "Camille Durand",
        "organisation": "Éducation nationale – Rouen",
        "sender": "@camille.durand-ac-rouen.example:agent.education.example",
        "expires_at": ORDERED + timedelta(days=30),
    }
    return {"sent_at": ORDERED} | facts | other


def invited(**other):
    own = {"room_name": "Cellule d’appui"}
    return lambda of: compose_branded("invite.txt", "invite", of, own=own, **invitation(**other))


def digest(**other):
    told = (invitation(), invitation(inviter=None, sender="@zoe:education.example"))
    facts = {"number": 5, "more": 0} | digest_facts(told)
    return lambda of: compose("invite_digest", of, **(facts | other))


def list_code(**asked):
    facts = {
        "code": "48291375",
        "link": f"{HOST}/v/{TOKEN}",
        "requested_at": ORDERED,
        "code_expires_at": ORDERED + timedelta(minutes=15),
        "device": "",
        "others": (),
    }
    return lambda of: compose("list_code", of, **(facts | asked))


def operator_code(**asked):
    facts = {
        "code": "48291375",
        "link": f"{HOST}/v/{TOKEN}",
        "requested_at": ORDERED,
        "code_expires_at": ORDERED + timedelta(minutes=10),
        "device": "",
        "others": (),
    }
    return lambda of: compose("operator_code", of, **(facts | asked))


def operator_notice(what):
    by_somebody = what in {What.LINK, What.UNLOCKED, What.FACTOR_RESET}
    return lambda of: compose(
        "operator_notice",
        of,
        what=str(what),
        name="Léa Dubois",
        author="Ada Martin" if by_somebody else "",
        why="ticket 4412" if by_somebody else "",
        detail="supervision" if what is What.TOKEN_ENDS else "",
        at=ORDERED,
        ends_at=ORDERED + timedelta(hours=4),
        link=f"{HOST}/admin/me",
    )


def about_domain(template, **other):
    facts = {
        "ref": "D-173",
        "domain": "ac-normandie.example",
        "link": f"{HOST}/r/{TOKEN}",
    }
    return lambda of: compose(template, of, **(facts | other))


def domain_decision(outcome, **other):
    facts = {
        "outcome": outcome,
        "opened_at": ORDERED,
        "refusal": "",
        "note": "",
        "accepted": "",
        "organisation": "",
    }
    return about_domain("domain_decision", **(facts | other))


def report(**other):
    facts = {
        "room": "Cellule d’appui",
        "file_name": "liste-mars.csv",
        "link": f"{HOST}/lists/6f1c1f6e-5a52-4f6e-9a2f-0a4b2b1f9d11",
        "started_at": ORDERED,
        "sent": 292,
        "failed": 1,
        "unsent": 7,
        **other,
    }
    facts["review"] = facts["failed"] + facts["unsent"]
    return lambda of: compose("bulk_report", of, **facts)


def change_notice(**other):
    facts = {
        "label": "C-142",
        "title": "Ouvrir ac-normandie.example",
        "link": f"{HOST}/admin/changes/C-142",
        "is_unread": False,
        "by": "Ines",
        "reason": "ticket 4412, panne de nuit",
        "review_until": ORDERED + timedelta(hours=48),
        "then": 2114,
        "now": 2116,
        **other,
    }
    return lambda of: compose("change_notice", of, **facts)


PHONE_URL = (
    "https://mobile.element.io/element/?account_provider=agent.education.example"
    "&login_hint=mxid:%40camille.durand-ac-rouen.example%3Aagent.education.example"
)


def welcome(**of_who_was_invited):
    return lambda of: compose(
        "welcome",
        of,
        display_name="Camille Durand [Rouen]",
        user_id="@camille.durand-ac-rouen.example:agent.education.example",
        address=of.to,
        server="Éducation",
        client_url="https://app.example/?user=%40camille.durand-ac-rouen.example%3Aagent.education.example",
        phone_url=PHONE_URL,
        **vars(Welcome(**of_who_was_invited)),
    )


OF_A_GUEST = {
    "rooms": ("Cellule d’appui", "Suivi de chantier", "Rentrée 2027"),
    "more": 4,
    "sponsor": "Camille Durand (Éducation nationale – Rouen)",
    "access_ends_at": ORDERED + timedelta(days=365),
}


LETTERS: dict[str, Callable[[Frame], EmailMessage]] = {
    "verify": verification(),
    "exists": lambda of: compose(
        "exists", of, sign_in_url="https://app.example/#/login", server="Éducation"
    ),
    "exists somewhere": lambda of: compose(
        "exists", of, sign_in_url="https://app.example/#/login", server=None
    ),
    "verify for somebody invited": verification(inviter="Camille Durand"),
    "verify while others wait": verification(
        device="Firefox", others=(("Edge", ORDERED), ("", ORDERED))
    ),
    "verify while codes are guessed": verification(code="482913750041"),
    "code_used": lambda of: compose(
        "code_used",
        of,
        device="Firefox",
        used_at=ORDERED,
        not_me_link=f"{HOST}/n/{TOKEN}",
        lists=False,
    ),
    "code_used somewhere": lambda of: compose(
        "code_used", of, device="", used_at=ORDERED, not_me_link=f"{HOST}/n/{TOKEN}", lists=False
    ),
    "code_used for lists": lambda of: compose(
        "code_used",
        of,
        device="Firefox",
        used_at=ORDERED,
        not_me_link=f"{HOST}/n/{TOKEN}",
        lists=True,
    ),
    "welcome": welcome(),
    "welcome of a guest": welcome(**OF_A_GUEST),
    "welcome of a guest without names": welcome(
        **(OF_A_GUEST | {"rooms": (), "more": 1, "sponsor": None})
    ),
    "server_ready": lambda of: compose(
        "server_ready", of, server="Éducation", link=f"{HOST}/v/{TOKEN}"
    ),
    "server_ready somewhere": lambda of: compose(
        "server_ready", of, server="", link=f"{HOST}/v/{TOKEN}"
    ),
    "none": lambda of: compose("none", of),
    "not_invited": lambda of: compose("not_invited", of, addresses=["g…@a….example"], more=0),
    "not_invited of many": lambda of: compose(
        "not_invited", of, addresses=["g…@a….example", "l…@a….example"], more=3
    ),
    "client_verify": lambda of: compose_branded(
        "verify.txt",
        "client_verify",
        of,
        code="48291375",
        link=f"{HOST}/v/{TOKEN}",
        own={"token": "48291375", "submit_link": f"{HOST}/submitToken?token=48291375"},
        user_id="@camille.durand-ac-rouen.example:agent.education.example",
        requested_at=ORDERED,
        ends_at=ORDERED + timedelta(hours=24),
    ),
    "invite": invited(),
    "invite from somewhere": invited(organisation=None),
    "invite from somebody": invited(inviter=None, organisation=None),
    "reminder": lambda of: compose("reminder", of, **invitation()),
    "list_code": list_code(),
    "list_code asked for elsewhere too": list_code(
        device="Firefox", others=(("Edge", ORDERED), ("", ORDERED))
    ),
    "domain_code": lambda of: compose(
        "domain_code",
        of,
        domain="ac-normandie.example",
        code="48291375",
        link=f"{HOST}/v/{TOKEN}",
        requested_at=ORDERED,
        code_expires_at=ORDERED + timedelta(minutes=60),
        device="Firefox",
        others=(("Edge", ORDERED), ("", ORDERED)),
    ),
    "domain_request": about_domain("domain_request", days=5, requested_at=ORDERED),
    "domain_question": about_domain(
        "domain_question", question="Qui gère ce domaine, et depuis quand\u00a0?"
    ),
    "domain_decision opened": domain_decision("opened"),
    "domain_decision redirected": domain_decision(
        "redirected", accepted="ac-rouen.example", organisation="Rouen"
    ),
    "domain_decision redirected somewhere": domain_decision(
        "redirected", accepted="ac-rouen.example"
    ),
    "domain_decision refused": domain_decision(
        "refused", refusal="unknown_owner", note="Écrivez-nous de la direction."
    ),
    "bulk_report": report(),
    "change_notice": change_notice(),
    "change_notice of what waits for a review": change_notice(is_unread=True),
    "bulk_report of a paste that all left": report(file_name="", failed=0, unsent=0),
    "operator_code": operator_code(),
    "operator_code asked for elsewhere too": operator_code(
        device="Firefox", others=(("Edge", ORDERED), ("", ORDERED))
    ),
    "operator_invite": lambda of: compose(
        "operator_invite",
        of,
        by="Ada Martin",
        roles=["editor", "approver"],
        link=f"{HOST}/v/{TOKEN}",
        later_link=f"{HOST}/admin/sign-in",
        ends_at=ORDERED + timedelta(hours=72),
    ),
    **{f"operator_notice of {what}": operator_notice(what) for what in What},
    "invite_digest": digest(),
    "invite_digest of many": digest(more=2),
}
LONG = {
    "to": f"{'a' * 64}@{'.'.join(['d' * 60] * 2)}.example",
    "service": "La messagerie des agents publics de l’É.",
    "sender": f"bonjour@{'m' * 60}.example",
}


def text_of(message: EmailMessage) -> str:
    return message.get_body(("plain",)).get_content()


def html_of(message: EmailMessage) -> str:
    return message.get_body(("html",)).get_content()


_written: dict[str, EmailMessage] = {}


@pytest.fixture(params=[*LETTERS])
def write(request) -> Callable[..., EmailMessage]:
    """Every letter in turn: `write(language="en", …)`. It is written once for all tests, which only read it."""

    def written(**facts: object) -> EmailMessage:
        name = f"{request.param} {sorted(facts.items())}"
        if name not in _written:
            _written[name] = LETTERS[request.param](frame(**facts))
        return _written[name]

    return written
