"""Writes the mails that show operators what people get."""

from email.message import EmailMessage

from identity.mail.composing import Frame
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted
from identity.operators import models as operators

from . import sample_mails, trial_mails


def compose_test(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The sample that was asked for.

    Raises NoLongerWanted for one of another version of Guichet, and if no operator has the mailbox
    any more: they may have been disabled since.
    """
    name = trial_mails.SUBJECTS.get(turn.mail.subject_id)
    operator = operators.find_by_mail(turn.session, turn.mail.address)
    if name is None or operator is None or not operator.may_come_in:
        raise NoLongerWanted
    return sample_mails.write(name, frame)


TEST = MailKind(compose=compose_test, is_for_operators=True)
