"""Every mail to people with facts that are made up, for operators who want to see what people get.

No link in them leads anywhere, and no code in them is right.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, Final

from identity.mail.composing import Frame, compose, compose_branded, template_header
from identity.mail.quota import Template

MARK: Final = "[TEST]"
NOWHERE: Final = "https://test.invalid"  # RFC 2606: no such host ever exists
LINK: Final = f"{NOWHERE}/v/test"
CODE: Final = "00000000"
DOMAIN: Final = "ministere.example"
USER_ID: Final = f"@camille.durand-{DOMAIN}:agents.example"
INVITER, ORGANISATION, ROOM = "Camille Durand", "Ministère", "Projet"

Write = Callable[[Frame], EmailMessage]


def write(name: str, frame: Frame) -> EmailMessage:
    """The mail of this name in SAMPLES: as people get it, but for its subject, links and code."""
    message = SAMPLES[name](replace(frame, public_url=NOWHERE, support_url=None))
    message.replace_header("Subject", f"{MARK} {message['Subject']}")
    message.replace_header("X-Guichet-Template", template_header(Template.OPERATOR_TEST))
    for header in ("List-Unsubscribe", "List-Unsubscribe-Post"):
        del message[header]
    return message


def _with(template: str, **facts: Any) -> Write:
    """`in_…` are moments: so long after the mail is ordered."""

    def written(frame: Frame) -> EmailMessage:
        return compose(template, frame, **_dated(facts, frame.date))

    return written


def _branded(file: str, template: str, own: Mapping[str, str], **facts: Any) -> Write:
    def written(frame: Frame) -> EmailMessage:
        return compose_branded(file, template, frame, own=own, **_dated(facts, frame.date))

    return written


def _dated(facts: Mapping[str, Any], ordered: datetime) -> dict[str, Any]:
    return {
        name: ordered + fact if isinstance(fact, timedelta) else fact
        for name, fact in facts.items()
    }


def _welcome(frame: Frame) -> EmailMessage:
    return compose(
        "welcome",
        frame,
        display_name=f"{INVITER} [{ORGANISATION}]",
        user_id=USER_ID,
        address=frame.to,
        server=ORGANISATION,
        client_url=NOWHERE,
        phone_url=NOWHERE,
        rooms=(),
        more=0,
        sponsor=None,
        access_ends_at=None,
    )


NOW: Final = timedelta()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CODED: Final[dict[str, Any]] = {
    "code": CODE,
    "link": LINK,
    "requested_at": NOW,
    "code_expires_at": HOUR,
    "device": "Firefox",
    "others": (),
}
INVITED: Final[dict[str, Any]] = {
    "link": LINK,
    "unknown_link": LINK,
    "opt_out_link": LINK,
    "code": CODE,
    "code_expires_at": DAY,
    "masked": f"l•••@{DOMAIN}",
    "inviter": INVITER,
    "organisation": ORGANISATION,
    "sender": USER_ID,
    "expires_at": 30 * DAY,
    "sent_at": NOW,
}
OF_DOMAIN: Final[dict[str, Any]] = {"ref": "D-0", "domain": DOMAIN, "link": LINK}
DECIDED: Final[dict[str, Any]] = OF_DOMAIN | {
    "opened_at": NOW,
    "refusal": "",
    "note": "",
    "accepted": "",
    "organisation": "",
}
SAMPLES: Final[Mapping[str, Write]] = {
    "verify": _with("verify", **CODED, not_me_link=LINK, link_expires_at=DAY, inviter=None),
    "exists": _with("exists", sign_in_url=NOWHERE, server=ORGANISATION),
    "none": _with("none"),
    "code_used": _with("code_used", device="Firefox", used_at=NOW, not_me_link=LINK, lists=False),
    "welcome": _welcome,
    "server_ready": _with("server_ready", server=ORGANISATION, link=LINK),
    "client_verify": _branded(
        "verify.txt",
        "client_verify",
        {"token": CODE, "submit_link": LINK},
        code=CODE,
        link=LINK,
        user_id=USER_ID,
        requested_at=NOW,
        ends_at=DAY,
    ),
    "invite": _branded("invite.txt", "invite", {"room_name": ROOM}, **INVITED),
    "invite_digest": _with(
        "invite_digest",
        **INVITED,
        number=2,
        more=0,
        inviters=(INVITER, "@zoe:agents.example"),
        unknown_links=(LINK, LINK),
    ),
    "reminder": _with("reminder", **INVITED),
    "not_invited": _with("not_invited", addresses=[f"l…@{DOMAIN}"], more=0),
    "list_code": _with("list_code", **CODED),
    "bulk_report": _with(
        "bulk_report",
        room=ROOM,
        file_name="test.csv",
        link=LINK,
        started_at=NOW,
        sent=12,
        failed=1,
        unsent=0,
        review=1,
    ),
    "domain_code": _with("domain_code", **CODED, domain=DOMAIN),
    "domain_request": _with("domain_request", **OF_DOMAIN, days=5, requested_at=NOW),
    "domain_question": _with("domain_question", **OF_DOMAIN, question="…"),
    "domain_decision opened": _with("domain_decision", **DECIDED | {"outcome": "opened"}),
    "domain_decision redirected": _with(
        "domain_decision", **DECIDED | {"outcome": "redirected", "accepted": "example.org"}
    ),
    "domain_decision refused": _with(
        "domain_decision", **DECIDED | {"outcome": "refused", "refusal": "unknown_owner"}
    ),
}
"""By the name that operators choose: the template, and which of its texts."""
