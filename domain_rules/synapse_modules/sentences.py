"""The reasons for refusing, and the sentence people read for each."""

from typing import NamedTuple

from domain_rules.enums import StrEnum


class RefusalReason(StrEnum):
    """Clients get the value as `org.guichet.reason`."""

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
    INVITATIONS_PAUSED = "invitations_paused"
    TOO_MANY_INVITATIONS = "too_many_invitations"
    ADDRESS_NOT_ACCEPTED = "address_not_accepted"
    INVITATIONS_FROZEN = "invitations_frozen"
    DOMAIN_FROZEN = "domain_frozen"
    INVITER_BLOCKED = "inviter_blocked"
    HOMESERVER_SUSPENDED = "homeserver_suspended"
    GUICHET_UNREACHABLE = "guichet_unreachable"
    CLASS_NOT_YET_KNOWN = "class_not_yet_known"
    NOT_ALLOWED = "not_allowed"


class Sentence(NamedTuple):
    """One sentence in both languages."""

    french: str
    english: str


SENTENCES = {
    RefusalReason.GUEST_MAY_NOT_CREATE_ROOM: Sentence(
        "Les invités ne créent pas de salon. Demandez à la personne qui vous a invité.",
        "Guests do not create rooms. Ask the person who invited you.",
    ),
    RefusalReason.GUEST_MAY_NOT_UPGRADE_ROOM: Sentence(
        "Les invités ne mettent pas de salon à niveau. Demandez à une personne propriétaire du salon.",
        "Guests do not upgrade rooms. Ask an owner of the room.",
    ),
    RefusalReason.GUEST_MAY_NOT_INVITE: Sentence(
        "Les invités n’invitent personne. Demandez à la personne qui vous a invité.",
        "Guests do not invite anybody. Ask the person who invited you.",
    ),
    RefusalReason.GUEST_MAY_NOT_INVITE_BY_MAIL: Sentence(
        "Les invités n’invitent personne par courriel. Demandez à la personne qui vous a invité.",
        "Guests do not invite anybody by email. Ask the person who invited you.",
    ),
    RefusalReason.GUEST_MAY_NOT_JOIN_UNINVITED: Sentence(
        "Les invités entrent dans un salon sur invitation. Demandez une invitation.",
        "Guests join a room by invitation. Ask for one.",
    ),
    RefusalReason.GUEST_MAY_NOT_KNOCK: Sentence(
        "Les invités ne demandent pas à entrer dans un salon. Attendez une invitation.",
        "Guests do not ask to join a room. Wait for an invitation.",
    ),
    RefusalReason.GUEST_MAY_NOT_MAKE_ALIAS: Sentence(
        "Les invités ne donnent pas d’adresse à un salon. Demandez à une personne propriétaire du salon.",
        "Guests do not give a room an address. Ask an owner of the room.",
    ),
    RefusalReason.GUEST_MAY_NOT_PUBLISH_ROOM: Sentence(
        "Les invités ne publient pas de salon. Demandez à une personne propriétaire du salon.",
        "Guests do not publish rooms. Ask an owner of the room.",
    ),
    RefusalReason.GUEST_MAY_NOT_SEARCH_PEOPLE: Sentence(
        "Les invités ne recherchent pas de personnes. Attendez une invitation.",
        "Guests do not search for people. Wait for an invitation.",
    ),
    RefusalReason.GUEST_MAY_NOT_HOLD_POWER: Sentence(
        "Les invités n’ont pas de droits particuliers dans un salon. Laissez-leur le niveau par défaut.",
        "Guests hold no particular rights in a room. Leave them at the default level.",
    ),
    RefusalReason.GUEST_MAY_NOT_BE_CREATOR: Sentence(
        "Un invité ne peut pas être créateur d’un salon. Invitez cette personne sans ce rôle.",
        "A guest cannot be a creator of a room. Invite this person without that role.",
    ),
    RefusalReason.ROOM_CLOSED_TO_GUESTS: Sentence(
        "Ce salon n’est pas ouvert aux invités. Une personne propriétaire du salon peut l’ouvrir.",
        "This room is not open to guests. An owner of the room can open it.",
    ),
    RefusalReason.INVITATIONS_PAUSED: Sentence(
        "Plusieurs personnes que vous avez invitées ont dit ne pas vous connaître. Vous ne pouvez plus inviter"
        " de personnes externes pour le moment.",
        "Several people you invited said that they do not know you. You cannot invite external people for now.",
    ),
    RefusalReason.TOO_MANY_INVITATIONS: Sentence(
        "Vous avez invité beaucoup de personnes aujourd’hui. Continuez plus tard.",
        "You have invited many people today. Go on later.",
    ),
    RefusalReason.ADDRESS_NOT_ACCEPTED: Sentence(
        "Cette adresse ne peut pas être invitée par courriel. Vérifiez-la avec la personne.",
        "This address cannot be invited by email. Check it with the person.",
    ),
    RefusalReason.INVITATIONS_FROZEN: Sentence(
        "Les invitations par courriel sont suspendues par l’équipe du service. Réessayez plus tard.",
        "The team of the service has suspended invitations by email. Try again later.",
    ),
    RefusalReason.DOMAIN_FROZEN: Sentence(
        "Les invitations vers le domaine de cette adresse sont suspendues. Réessayez plus tard.",
        "Invitations to the domain of this address are suspended. Try again later.",
    ),
    RefusalReason.INVITER_BLOCKED: Sentence(
        "Les invitations faites depuis votre compte sont suspendues. Écrivez à l’assistance.",
        "Invitations made from your account are suspended. Write to the help desk.",
    ),
    RefusalReason.HOMESERVER_SUSPENDED: Sentence(
        "Les invitations par courriel depuis votre serveur sont suspendues. Écrivez à l’assistance.",
        "Invitations by email from your server are suspended. Write to the help desk.",
    ),
    RefusalReason.GUICHET_UNREACHABLE: Sentence(
        "Les invitations par courriel ne sont pas possibles pour le moment. Réessayez plus tard.",
        "Invitations by email are not possible for now. Try again later.",
    ),
    RefusalReason.CLASS_NOT_YET_KNOWN: Sentence(
        "Le serveur ne sait pas encore si ce compte est celui d’un agent. Réessayez dans un moment.",
        "The server does not know yet whether this is an agent’s account. Try again in a while.",
    ),
    RefusalReason.NOT_ALLOWED: Sentence(
        "Cette action n’est pas permise. Réessayez, ou écrivez à l’assistance de votre serveur.",
        "This is not allowed. Try again, or write to your server’s support.",
    ),
}
