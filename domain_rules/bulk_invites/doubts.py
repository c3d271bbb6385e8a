"""What in a table says that an address is not of the people meant: other columns, first cells."""

import re

from .headers import (
    ASKED,
    KNOWN,
    LINKS,
    LOGIN,
    MAIL,
    MAIL_INSIDE,
    PERSON,
    SOMEBODY_ELSE,
    TO,
    Fit,
    excludes,
    fit_of,
    names_others,
    word_set,
    words_of,
)

# People who may have a mail column beside their name: `Nom;Responsable;Mail`. Services and dates
# are no people.
ROLES = SOMEBODY_ELSE - word_set(
    "direction etablissement generique secretariat hierarchie supervision legal legaux hr rh drh"
    " urgence emergency inviter inviteur famille family lead from reply sender cree created creator"
    " modifie modified updated saisi"
)
NAMES = LOGIN | word_set("firstname lastname surname given family")
# The `contact` of these is somebody else.
CHILDREN = word_set(
    "eleve eleves enfant enfants student students pupil stagiaire stagiaires apprenti apprentis"
)
CONTACT = frozenset(("contact", "contacts"))
OWN = PERSON - CONTACT | word_set("votre vos mon ma my your")

# `Inscrit (oui/non)`, `À inviter`, `Souhaitez-vous participer ?`; not `Invité`, Zoom's word for
# people from outside.
IS_ASKED = re.compile(
    r"(?:invit(?!es?$)|convi|inscri|particip)(?!ant)[a-z]*|presente?s?|presence|attending"
    r"|enabled|active?|actif"
)
AROUND_IT = (
    LINKS
    | ASKED
    | word_set(
        "souhaitez voulez pouvez serez sera reunion formation seance evenement compte account oui"
        " non yes no o n s is will"
    )
)
INVITED = re.compile(r"inviter|invitez|invitation|convier|convoquer")
YES = re.compile(r"(?:oui|yes|x|vrai|true)\b.*", re.IGNORECASE | re.DOTALL)
NO = re.compile(r"(?:non|no|faux|false|n)\s*(?:[,.;:!(].*)?", re.IGNORECASE | re.DOTALL)
CROSSES = word_set("oui yes x vrai true 1 o y ok ✓ ✔ ☑")
MAX_ANSWER = 60  # characters
MAX_ASKED = 50  # columns

# A contact above or below the people: `Contact;a@b`, `Pour toute question : ;a@b`.
TO_ASK = word_set("contact contacts question questions renseignement renseignements")
# Mail headers, as mail programs copy them into cells.
SENDERS = word_set("de from expediteur sender organisateur organisatrice organizer organiser")


def fit_in_table(names: list[str], place: int, with_addresses: frozenset[int], name: str) -> Fit:
    """How well a column fits, with the names of the columns before it taken into account.

    `with_addresses`: places of the columns that hold addresses.
    """
    found = fit_of(name)
    own = frozenset(words_of(name))
    before = [frozenset(words_of(each)) for each in names[:place]]
    if own & CONTACT and any(said & CHILDREN for said in (own, *before)):
        return min(found, Fit.UNKNOWN) if found is Fit.SOMEBODY_ELSE else Fit.UNKNOWN
    if found in (Fit.SOMEBODY_ELSE, Fit.MEANT) or own & OWN:
        return found
    return Fit.SOMEBODY_ELSE if _is_beside_others(before, with_addresses) else found


def _is_beside_others(before: list[frozenset[str]], with_addresses: frozenset[int]) -> bool:
    """Whether the nearest person named by the columns before is somebody else."""
    for place in range(len(before) - 1, -1, -1):
        said = before[place]
        if place in with_addresses or _is_of_mail(said):
            continue
        is_above = "n" in said and bool(said & {"1", "2"})  # `N+1`
        if is_above or (said & ROLES and said <= KNOWN):
            return True
        if said & CONTACT:
            return any(other & CHILDREN for other in before[:place])
        if said & (NAMES | PERSON):
            return False
    return False


def _is_of_mail(said: frozenset[str]) -> bool:
    return bool(said & MAIL) or any(inside in word for word in said for inside in MAIL_INSIDE)


def find_question_columns(names: list[str]) -> dict[int, bool]:
    """Columns that say of each person whether they are meant, by place.

    The value is False where a yes speaks against the person (`Désinscrit`).
    """
    found = {}
    for place, name in enumerate(names[:MAX_ASKED]):
        said = words_of(name)
        if excludes(name):
            found[place] = False
        elif _asks(said):
            found[place] = True
    return found


def _asks(said: list[str]) -> bool:
    asked = [word for word in said if IS_ASKED.fullmatch(word)]
    return bool(asked) and AROUND_IT.union(asked).issuperset(said)


def find_negative_answer(names: list[str], cells: list[str], asked: dict[int, bool]) -> str:
    """`À inviter : non` or `Désinscrit : oui`; an empty text if no column says so."""
    for place, is_for in asked.items():
        cell = cells[place] if place < len(cells) else ""
        if not cell or len(cell) > MAX_ANSWER or "@" in cell:
            continue
        if (NO if is_for else YES).fullmatch(cell):
            return f"{names[place]} : {cell}"
    return ""


def says_yes(cell: str) -> bool:
    """Whether the cell is a cross or a word for it."""
    return len(cell) <= MAX_ANSWER and cell.lower() in CROSSES


def find_cross_columns(names: list[str]) -> list[int]:
    """Places of columns in which those to invite are marked."""
    return [
        place
        for place, is_for in find_question_columns(names).items()
        if is_for and any(map(INVITED.fullmatch, words_of(names[place])))
    ]


def begins_with_role(cells: list[str]) -> bool:
    """`Responsable;a@b` where other rows are different; not `Parent`, which is a surname too."""
    match [cell for cell in cells if cell]:
        case [first, _] if "@" not in first:
            said = frozenset(words_of(first))
            return bool(said & ROLES) and said <= KNOWN and said != {"parent"}
    return False


def find_other_role(names: list[str], cells: list[str], *, is_apart: bool) -> str:
    """The first cell of a record if it is a role and not a name: `Contact;a@b`."""
    place = next((place for place, cell in enumerate(cells) if cell), 0)
    cell = cells[place]
    said = frozenset(words_of(cell))
    if not said or "@" in cell:
        return ""
    if not names:
        return cell if said <= SENDERS else ""
    over = frozenset(words_of(names[place])) if place < len(names) else frozenset[str]()
    if not over <= NAMES | LINKS:
        return ""
    is_other = is_apart and (cell.endswith(":") or (names_others(cell) and not said & TO))
    return cell if is_other or said & TO_ASK else ""
