"""The reasons for a refusal, and what each says to a person."""

from typing import NamedTuple

from domain_rules.words import Word


class Reason(Word):
    """What clients find as `org.guichet.reason`."""

    GUEST_MAY_NOT_CREATE_ROOM = "guest_may_not_create_room"
    GUEST_MAY_NOT_UPGRADE_ROOM = "guest_may_not_upgrade_room"
    GUEST_MAY_NOT_INVITE = "guest_may_not_invite"
    GUEST_MAY_NOT_INVITE_BY_MAIL = "guest_may_not_invite_by_mail"
    GUEST_MAY_NOT_JOIN_UNINVITED = "guest_may_not_join_uninvited"
    GUEST_MAY_NOT_KNOCK = "guest_may_not_knock"
    GUEST_MAY_NOT_MAKE_ALIAS = "guest_may_not_make_alias"
    GUEST_MAY_NOT_PUBLISH_ROOM = "guest_may_not_publish_room"
    GUEST_MAY_NOT_SEARCH_PEOPLE = "guest_may_not_search_people"
    GUEST_MAY_NOT_HOLD_POWER = "guest_may_not_hold_power"
    GUEST_MAY_NOT_BE_CREATOR = "guest_may_not_be_creator"
    ROOM_CLOSED_TO_GUESTS = "room_closed_to_guests"
    CLASS_NOT_YET_KNOWN = "class_not_yet_known"
    NOT_ALLOWED = "not_allowed"


class Sentence(NamedTuple):
    """The same in both languages."""

    french: str
    english: str


SENTENCES = {
    Reason.GUEST_MAY_NOT_CREATE_ROOM: Sentence(
        "Un compte invité ne peut pas créer de salon ni commencer de conversation.",
        "A guest account cannot create a room or start a conversation.",
    ),
    Reason.GUEST_MAY_NOT_UPGRADE_ROOM: Sentence(
        "Un compte invité ne peut pas mettre un salon à niveau.",
        "A guest account cannot upgrade a room.",
    ),
    Reason.GUEST_MAY_NOT_INVITE: Sentence(
        "Un compte invité ne peut inviter personne.",
        "A guest account cannot invite anybody.",
    ),
    Reason.GUEST_MAY_NOT_INVITE_BY_MAIL: Sentence(
        "Un compte invité ne peut inviter personne par courriel.",
        "A guest account cannot invite anybody by email.",
    ),
    Reason.GUEST_MAY_NOT_JOIN_UNINVITED: Sentence(
        "Un compte invité ne peut entrer dans un salon que sur invitation.",
        "A guest account can only join a room it was invited to.",
    ),
    Reason.GUEST_MAY_NOT_KNOCK: Sentence(
        "Un compte invité ne peut pas demander à entrer dans un salon.",
        "A guest account cannot ask to join a room.",
    ),
    Reason.GUEST_MAY_NOT_MAKE_ALIAS: Sentence(
        "Un compte invité ne peut pas donner d’adresse à un salon.",
        "A guest account cannot give a room an address.",
    ),
    Reason.GUEST_MAY_NOT_PUBLISH_ROOM: Sentence(
        "Un compte invité ne peut pas publier de salon dans l’annuaire.",
        "A guest account cannot publish a room in the directory.",
    ),
    Reason.GUEST_MAY_NOT_SEARCH_PEOPLE: Sentence(
        "Un compte invité ne peut pas rechercher de personnes.",
        "A guest account cannot search for people.",
    ),
    Reason.GUEST_MAY_NOT_HOLD_POWER: Sentence(
        "Un compte invité ne peut pas avoir de droits particuliers dans un salon.",
        "A guest account cannot hold particular rights in a room.",
    ),
    Reason.GUEST_MAY_NOT_BE_CREATOR: Sentence(
        "Un compte invité ne peut pas être créateur d’un salon.",
        "A guest account cannot be a creator of a room.",
    ),
    Reason.ROOM_CLOSED_TO_GUESTS: Sentence(
        "Ce salon n’est pas ouvert aux invités.",
        "This room is not open to guests.",
    ),
    Reason.CLASS_NOT_YET_KNOWN: Sentence(
        "Votre serveur ne sait pas encore si ce compte est celui d’un agent. Réessayez dans quelques minutes.",
        "Your server does not know yet whether this account is an agent’s. Try again in a few minutes.",
    ),
    Reason.NOT_ALLOWED: Sentence(
        "Cette action n’est pas permise.",
        "This is not allowed.",
    ),
}
