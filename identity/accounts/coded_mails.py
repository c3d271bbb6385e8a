"""Decides about a mail with a code for one address: who has an account is known here, not in `mail`."""

from collections.abc import Callable

from identity.core.one_time_codes import service as one_time_codes
from identity.core.one_time_codes.models import Purpose
from identity.mail import models as mails, results
from identity.mail.kinds import Fate, MailTurn

from . import models as accounts


def decide(turn: MailTurn, purpose: Purpose, *, is_wanted: Callable[[], bool]) -> Fate:
    """Whether the code leaves: somebody waits for it, and the mailbox is not known to be dead.

    A mail that does not leave makes a code all the same: whoever types one into the page learns
    nothing. `is_wanted` is asked once nobody else orders or decides for this address.
    """
    session, mail, now = turn.session, turn.mail, turn.now
    mails.lock_address(session, mail.address)
    if is_wanted():
        has_account = accounts.find_by_address(session, mail.address) is not None
        if not results.is_suppressed(session, turn.hashes, now, mail, has_account=has_account):
            return Fate.SENT
        fate = Fate.SUPPRESSED
    else:
        fate = Fate.DROPPED
    one_time_codes.issue_for_mail(session, turn.tokens, now, purpose, mail.address, in_mail=False)
    return fate
