"""Writes the mail to an approver about a change: it was not applied, or waits for a review."""

from email.message import EmailMessage

from identity.mail.composing import Frame, compose
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted

from . import change_models as models, checking, telling
from .change_models import ChangeState


def compose_notice(turn: MailTurn, frame: Frame) -> EmailMessage:
    """What became of the change, with numbers and a link, without rules or addresses.

    Raises NoLongerWanted if somebody has seen to it meanwhile.
    """
    change = models.find_by_id(turn.session, turn.mail.subject_id)
    if change is None:
        raise NoLongerWanted
    worse = checking.worse_than_promised(change.promised, change.counts)
    is_unread = telling.waits_for_review(change)
    if not is_unread and (change.state != ChangeState.PROPOSED or not worse):
        raise NoLongerWanted
    return compose(
        "change_notice",
        frame,
        label=change.label,
        title=change.title,
        link=f"{turn.settings.console_origin}/admin/changes/{change.label}",
        is_unread=is_unread,
        by=change.approved_by or change.author,
        reason=change.broken_glass_reason,
        review_until=change.review_until,
        then=sum(change.promised.get(name, 0) for name in worse),
        now=sum(change.counts.get(name, 0) for name in worse),
    )


CHANGE_NOTICE = MailKind(compose=compose_notice, is_for_operators=True)
