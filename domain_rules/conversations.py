"""Guests answer; they do not start: what a person of each class may do in conversations."""

from domain_rules.rules import AccountClass
from domain_rules.words import Word


class Deed(Word):
    """Something a person asks their homeserver for."""

    ACCEPT_INVITATION = "accept_invitation"
    WRITE = "write"
    SHARE_FILE = "share_file"
    CHANGE_OWN_PROFILE = "change_own_profile"
    LEAVE = "leave"
    REPORT = "report"
    CREATE_ROOM = "create_room"
    UPGRADE_ROOM = "upgrade_room"
    INVITE = "invite"
    INVITE_BY_MAIL = "invite_by_mail"
    JOIN_UNINVITED = "join_uninvited"
    KNOCK = "knock"
    MAKE_ALIAS = "make_alias"
    PUBLISH_ROOM = "publish_room"
    SEARCH_PEOPLE = "search_people"
    HOLD_POWER = "hold_power"
    BE_CREATOR = "be_creator"


OF_GUESTS = frozenset(
    {
        Deed.ACCEPT_INVITATION,
        Deed.WRITE,
        Deed.SHARE_FILE,
        Deed.CHANGE_OWN_PROFILE,
        Deed.LEAVE,
        Deed.REPORT,
    }
)


def may(account_class: AccountClass, deed: Deed) -> bool:
    """Whether this is for a person of this class. Where it may be done, the room says."""
    return account_class is AccountClass.AGENT or deed in OF_GUESTS
