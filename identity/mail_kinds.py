"""Maps each mail template to the `MailKind` that its story defines."""

from collections.abc import Mapping
from typing import Final

from .bulk_invites import mails as bulk_invites
from .console import mails as console
from .domain_requests import mails as domain_requests
from .invitations import mails as invitations
from .mail.kinds import MailKind
from .mail.models import Mail
from .mail.quota import Template
from .operators import mails as operators
from .registration import mails as registration
from .rule_changes import mails as rule_changes
from .sign_up import mails as sign_up
from .threepids import mails as threepids

KINDS: Final[Mapping[Template, MailKind]] = {
    Template.VERIFY: sign_up.VERIFY,
    Template.EXISTS: sign_up.EXISTS,
    Template.NONE: sign_up.NONE,
    Template.CODE_USED: sign_up.CODE_USED,
    Template.WELCOME: registration.WELCOME,
    Template.SERVER_READY: registration.SERVER_READY,
    Template.CLIENT_VERIFY: threepids.CLIENT_VERIFY,
    Template.INVITE: invitations.INVITE,
    Template.INVITE_DIGEST: invitations.INVITE,
    Template.REMINDER: invitations.REMINDER,
    Template.NOT_INVITED: invitations.NOT_INVITED,
    Template.LIST_CODE: bulk_invites.LIST_CODE,
    Template.BULK_REPORT: bulk_invites.BULK_REPORT,
    Template.CHANGE_NOTICE: rule_changes.CHANGE_NOTICE,
    Template.OPERATOR_CODE: operators.CODE,
    Template.OPERATOR_INVITE: operators.INVITE,
    Template.OPERATOR_NOTICE: operators.NOTICE,
    Template.OPERATOR_TEST: console.TEST,
    Template.DOMAIN_CODE: domain_requests.DOMAIN_CODE,
    Template.DOMAIN_REQUEST: domain_requests.DOMAIN_REQUEST,
    Template.DOMAIN_QUESTION: domain_requests.DOMAIN_QUESTION,
    Template.DOMAIN_DECISION: domain_requests.DOMAIN_DECISION,
}


def kind_of(mail: Mail) -> MailKind:
    """The kind of this mail, as its story defines it."""
    return KINDS[Template(mail.template)]
