"""Writes the mails that show operators what people get."""

from email.message import EmailMessage

from identity.mail.composing import Frame
from identity.mail.kinds import MailKind, MailTurn, NoLongerWanted

from . import sample_mails, trial_mails


def compose_test(turn: MailTurn, frame: Frame) -> EmailMessage:
    """The sample that was asked for. Raises NoLongerWanted for one of another version of Guichet."""
    name = trial_mails.SUBJECTS.get(turn.mail.subject_id)
    if name is None:
        raise NoLongerWanted
    return sample_mails.write(name, frame)


TEST = MailKind(compose=compose_test, is_for_operators=True)
