"""Why an action in a room is refused, and the next step, in French and English."""

from domain_rules.enums import StrEnum


class RoomReason(StrEnum):
    """Clients get the value as `org.guichet.reason`."""

    CLOSED_TO_GUESTS = "room_closed_to_guests"
    INVITATION_NEEDED = "guest_may_not_join_uninvited"
    GUEST_KNOCKS = "guest_may_not_knock"
    ADDRESS_BELONGS_NOWHERE = "address_belongs_nowhere"
    ADDRESS_UNCLEAR = "address_unclear"
    ONLY_BY_MAIL = "invitation_only_by_mail"
    NOT_FROM_GUICHET = "invitation_not_from_guichet"
    NOT_IN_ROOM = "only_members_invite"
    NO_RIGHT_TO_INVITE = "no_right_to_invite"
    ALREADY_HERE = "already_in_the_room"
    INVITE_APART = "invite_with_the_list_of_invitations"
    GUEST_CREATES = "guest_may_not_create_room"
    GUEST_AS_CREATOR = "guest_may_not_be_creator"
    GUEST_POWER = "guest_may_not_hold_power"
    USERS_DEFAULT = "users_default_stays_zero"
    LEVELS_TOO_LOW = "power_levels_too_low"
    INVALID_RULE = "invalid_access_rule"
    DIRECT_MISMATCH = "direct_rule_and_is_direct_differ"
    VISIBILITY_MISMATCH = "incompatible_visibility"
    NOT_OWNER = "only_owners_change_the_rule"
    NEVER_DIRECT = "rule_never_changes_to_or_from_direct"
    SPACE_DIRECT = "space_is_never_direct"
    GUESTS_INSIDE = "guests_are_still_in_the_room"
    INVITATIONS_OPEN = "invitations_are_still_open"
    PUBLIC_STAYS_CLOSED = "public_room_stays_closed_to_guests"
    NEVER_PUBLIC = "private_room_stays_private"
    SETTINGS_FINAL = "room_settings_are_final"
    UNPUBLISH_FIRST = "unpublish_first"
    ENCRYPT_FIRST = "encrypt_first"
    JOIN_RULE_FIRST = "change_the_join_rule_first"
    PUBLIC_UNENCRYPTED = "public_room_is_not_encrypted"
    NEVER_ENCRYPTED = "room_made_without_encryption"
    NOT_ENCRYPTING = "algorithm_does_not_encrypt"
    WORLD_READABLE = "history_is_for_members"
    ANONYMOUS = "no_access_without_an_account"
    NOT_REDACTED = "room_settings_are_not_redacted"
    DIRECT_FULL = "direct_room_is_full"
    DIRECT_PRIVATE = "direct_room_is_never_public"
    DIRECT_NAMELESS = "direct_room_has_no_name"
    DIRECT_NO_KNOCK = "direct_room_takes_no_knock"
    DIRECT_NO_UPGRADE = "direct_room_is_not_upgraded"
    OWNER_UPGRADES = "only_owners_upgrade"

    @property
    def texts(self) -> dict[str, str]:
        """What people read, by language code."""
        french, english = _TEXTS[self]
        return {"fr": french, "en": english}


# Reasons about the form of a createRoom request, answered with 400; all others with 403.
MALFORMED_CREATIONS = frozenset(
    {
        RoomReason.INVALID_RULE,
        RoomReason.DIRECT_MISMATCH,
        RoomReason.SPACE_DIRECT,
        RoomReason.DIRECT_PRIVATE,
        RoomReason.VISIBILITY_MISMATCH,
        RoomReason.LEVELS_TOO_LOW,
        RoomReason.INVITE_APART,
        RoomReason.NOT_ENCRYPTING,
        RoomReason.WORLD_READABLE,
    }
)

# Said of somebody's class, which the homeserver may not know yet.
ABOUT_GUESTS = frozenset(
    {
        RoomReason.CLOSED_TO_GUESTS,
        RoomReason.INVITATION_NEEDED,
        RoomReason.GUEST_KNOCKS,
        RoomReason.GUEST_CREATES,
        RoomReason.GUEST_AS_CREATOR,
        RoomReason.NOT_OWNER,
        RoomReason.OWNER_UPGRADES,
    }
)

_TEXTS = {
    RoomReason.CLOSED_TO_GUESTS: (
        "Ce salon n’est pas ouvert aux invités. Une personne propriétaire du salon peut l’ouvrir.",
        "This room is not open to guests. An owner of the room can open it.",
    ),
    RoomReason.INVITATION_NEEDED: (
        "Les invités rejoignent un salon sur invitation. Demandez à un membre de vous inviter.",
        "Guests join a room when they are invited. Ask a member to invite you.",
    ),
    RoomReason.GUEST_KNOCKS: (
        "Les invités ne demandent pas à entrer. Demandez à un membre de vous inviter.",
        "Guests do not ask to enter. Ask a member to invite you.",
    ),
    RoomReason.ADDRESS_BELONGS_NOWHERE: (
        "Cette adresse ne peut pas être invitée ici. Vérifiez l’adresse ou demandez-en une autre.",
        "This address cannot be invited here. Check the address, or ask for another one.",
    ),
    RoomReason.ADDRESS_UNCLEAR: (
        "Cette adresse n’est pas écrite comme une adresse simple. Saisissez seulement nom@domaine.",
        "This is not written as a plain address. Type only name@domain.",
    ),
    RoomReason.ONLY_BY_MAIL: (
        "On invite par adresse électronique ou par identifiant, pas par téléphone.",
        "Invite people by email address or by their ID, not by telephone.",
    ),
    RoomReason.NOT_FROM_GUICHET: (
        "Cette invitation ne vient pas du serveur d’identité. Invitez depuis votre application.",
        "This invitation is not of our identity server. Invite from your usual application.",
    ),
    RoomReason.NOT_IN_ROOM: (
        "On invite dans un salon dont on est membre. Rejoignez-le d’abord.",
        "People invite to a room they are in. Join it first.",
    ),
    RoomReason.NO_RIGHT_TO_INVITE: (
        "Vous n’avez pas le droit d’inviter dans ce salon. Demandez à une personne qui le gère.",
        "You have no right to invite to this room. Ask somebody who manages it.",
    ),
    RoomReason.ALREADY_HERE: (
        "Cette personne est déjà dans ce salon.",
        "This person is in this room already.",
    ),
    RoomReason.INVITE_APART: (
        "À la création, on invite par la liste des invitations, pas par l’état initial.",
        "When you create a room, invite with the list of invitations, not in the initial state.",
    ),
    RoomReason.GUEST_CREATES: (
        "Les invités ne créent pas de salon. Demandez à la personne qui vous a invité.",
        "Guests do not create rooms. Ask the person who invited you.",
    ),
    RoomReason.GUEST_AS_CREATOR: (
        "Un invité ne peut pas être créateur d’un salon. Invitez cette personne sans ce rôle.",
        "A guest cannot be a creator of a room. Invite this person without that role.",
    ),
    RoomReason.GUEST_POWER: (
        "Un invité ne peut pas être modérateur ou administrateur. Laissez-lui le niveau par défaut.",
        "A guest cannot be a moderator or administrator. Leave them at the default level.",
    ),
    RoomReason.USERS_DEFAULT: (
        "Dans un salon ouvert aux invités, le niveau par défaut reste 0. Remettez-le à 0.",
        "In a room open to guests the default level stays 0. Set it to 0.",
    ),
    RoomReason.LEVELS_TOO_LOW: (
        "Les niveaux demandés pour inviter ou régler le salon sont trop bas. Augmentez-les.",
        "The levels asked for inviting or for the room’s settings are too low. Raise them.",
    ),
    RoomReason.INVALID_RULE: (
        "Règle d’accès inconnue. Choisissez « restricted », « unrestricted » ou « direct ».",
        "Unknown access rule. Choose “restricted”, “unrestricted” or “direct”.",
    ),
    RoomReason.DIRECT_MISMATCH: (
        "La règle « direct » est celle des conversations à deux, et d’elles seules.",
        "The rule “direct” is for conversations of two people, and for no other room.",
    ),
    RoomReason.VISIBILITY_MISMATCH: (
        "La visibilité demandée et celle de la règle d’accès diffèrent. Donnez la même.",
        "The visibility asked for and the one in the access rule differ. Give the same one.",
    ),
    RoomReason.NOT_OWNER: (
        "Seules les personnes propriétaires du salon changent cette règle. Demandez à l’une d’elles.",
        "Only the owners of the room change this rule. Ask one of them.",
    ),
    RoomReason.NEVER_DIRECT: (
        "Une conversation à deux le reste, et un salon ne le devient pas. Créez un nouveau salon.",
        "A conversation of two stays one, and a room never becomes one. Create a new room.",
    ),
    RoomReason.SPACE_DIRECT: (
        "Un espace ne peut pas être une conversation à deux.",
        "A space cannot be a conversation of two.",
    ),
    RoomReason.GUESTS_INSIDE: (
        "Des invités sont encore dans ce salon ou y sont conviés. Retirez-les d’abord.",
        "Guests are still in this room, or invited to it. Remove them first.",
    ),
    RoomReason.INVITATIONS_OPEN: (
        "Des invitations par courriel attendent encore. Annulez-les d’abord.",
        "Invitations by email are still waiting. Revoke them first.",
    ),
    RoomReason.PUBLIC_STAYS_CLOSED: (
        "Un salon public n’est pas ouvert aux invités. Créez un salon privé pour eux.",
        "A public room is not open to guests. Create a private room for them.",
    ),
    RoomReason.NEVER_PUBLIC: (
        "Un salon privé ne devient pas public. Créez un nouveau salon public.",
        "A private room does not become public. Create a new public room.",
    ),
    RoomReason.SETTINGS_FINAL: (
        "Ces réglages sont fixés à la création du salon. Reprenez-les sans les changer.",
        "These settings are fixed when the room is created. Repeat them unchanged.",
    ),
    RoomReason.UNPUBLISH_FIRST: (
        "Retirez d’abord ce salon de l’annuaire des salons.",
        "First remove this room from the room directory.",
    ),
    RoomReason.ENCRYPT_FIRST: (
        "Activez d’abord le chiffrement de ce salon.",
        "First turn on encryption in this room.",
    ),
    RoomReason.JOIN_RULE_FIRST: (
        "Réglez d’abord l’accès de ce salon sur invitation.",
        "First set this room so that people join by invitation.",
    ),
    RoomReason.PUBLIC_UNENCRYPTED: (
        "Un salon public n’est pas chiffré.",
        "A public room is not encrypted.",
    ),
    RoomReason.NEVER_ENCRYPTED: (
        "Ce salon a été créé sans chiffrement, et le reste. Créez un nouveau salon.",
        "This room was created without encryption, and stays so. Create a new room.",
    ),
    RoomReason.NOT_ENCRYPTING: (
        "Cet algorithme ne chiffre pas les messages. Utilisez le chiffrement de votre application.",
        "This algorithm does not encrypt messages. Use the encryption of your application.",
    ),
    RoomReason.WORLD_READABLE: (
        "Seuls les membres lisent l’historique d’un salon privé. Choisissez un réglage pour les membres.",
        "Only members read the history of a private room. Choose a setting for members.",
    ),
    RoomReason.ANONYMOUS: (
        "On n’entre pas dans un salon sans compte. Laissez l’accès anonyme fermé.",
        "Nobody enters a room without an account. Leave anonymous access closed.",
    ),
    RoomReason.NOT_REDACTED: (
        "Un réglage du salon ne se supprime pas comme un message. Modifiez le réglage.",
        "A setting of the room is not deleted like a message. Change the setting.",
    ),
    RoomReason.DIRECT_FULL: (
        "Une conversation à deux n’accueille personne d’autre. Créez un salon.",
        "A conversation of two takes nobody else. Create a room.",
    ),
    RoomReason.DIRECT_PRIVATE: (
        "Une conversation à deux n’est jamais publique. Créez un salon.",
        "A conversation of two is never public. Create a room.",
    ),
    RoomReason.DIRECT_NAMELESS: (
        "Une conversation à deux porte le nom des personnes. Créez un salon pour le nommer.",
        "A conversation of two is called after its people. Create a room to name it.",
    ),
    RoomReason.DIRECT_NO_KNOCK: (
        "On ne demande pas à entrer dans une conversation à deux.",
        "Nobody asks to enter a conversation of two.",
    ),
    RoomReason.DIRECT_NO_UPGRADE: (
        "Une conversation à deux n’est pas mise à niveau. Commencez-en une nouvelle.",
        "A conversation of two is not upgraded. Start a new one.",
    ),
    RoomReason.OWNER_UPGRADES: (
        "Seules les personnes propriétaires mettent le salon à niveau. Demandez à l’une d’elles.",
        "Only the owners upgrade the room. Ask one of them.",
    ),
}
