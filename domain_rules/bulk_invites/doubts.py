"""What else in a table says that an address is not of the people meant: another column, or the beginning of a record."""

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
    fit,
    names_others,
    words,
)


def _set(text: str) -> "frozenset[str]":
    return frozenset(text.split())


# Who may have a column of mails beside their name: `Nom;Responsable;Mail`. A service, a date or a cross is nobody.
ROLES = SOMEBODY_ELSE - _set(
    "direction etablissement generique secretariat hierarchie supervision legal legaux hr rh drh urgence emergency inviter"
    " inviteur famille family lead from reply sender cree created creator modifie modified updated saisi"
)
NAMES = LOGIN | _set("firstname lastname surname given family")
# Their `contact` is somebody else.
CHILDREN = _set(
    "eleve eleves enfant enfants student students pupil stagiaire stagiaires apprenti apprentis"
)
CONTACT = frozenset(("contact", "contacts"))
OWN = PERSON - CONTACT | _set("votre vos mon ma my your")

# `Inscrit (oui/non)`, `À inviter`, `Souhaitez-vous participer ?`; not `Invité`, by which Zoom tells who is from outside.
IS_ASKED = re.compile(
    r"(?:invit(?!es?$)|convi|inscri|particip)(?!ant)[a-z]*|presente?s?|presence|attending|enabled|active?|actif"
)
AROUND_IT = (
    LINKS
    | ASKED
    | _set(
        "souhaitez voulez pouvez serez sera reunion formation seance evenement compte account oui non yes no o n s is will"
    )
)
INVITED = re.compile(r"inviter|invitez|invitation|convier|convoquer")
YES = re.compile(r"(?:oui|yes|x|vrai|true)\b.*", re.IGNORECASE | re.DOTALL)
NO = re.compile(r"(?:non|no|faux|false|n)\s*(?:[,.;:!(].*)?", re.IGNORECASE | re.DOTALL)
CROSSES = _set("oui yes x vrai true 1 o y ok ✓ ✔ ☑")
MAX_ANSWER = 60  # characters
MAX_ASKED = 50  # columns

# Above or below the people, whom to ask: `Contact;a@b`, `Pour toute question : ;a@b`.
TO_ASK = _set("contact contacts question questions renseignement renseignements")
# As mail programs copy it, in cells.
SENDERS = _set("de from expediteur sender organisateur organisatrice organizer organiser")


def fit_in(names: "list[str]", place: int, with_addresses: "frozenset[int]", name: str) -> Fit:
    """How well a column fits, with what stands over the columns before it. `with_addresses`: those that hold some."""
    found = fit(name)
    own = frozenset(words(name))
    before = [frozenset(words(each)) for each in names[:place]]
    if own & CONTACT and any(said & CHILDREN for said in (own, *before)):
        return min(found, Fit.UNKNOWN) if found is Fit.SOMEBODY_ELSE else Fit.UNKNOWN
    if found in (Fit.SOMEBODY_ELSE, Fit.MEANT) or own & OWN:
        return found
    return Fit.SOMEBODY_ELSE if _is_beside_others(before, with_addresses) else found


def _is_beside_others(before: "list[frozenset[str]]", with_addresses: "frozenset[int]") -> bool:
    """Whether the nearest person that the columns before name is somebody else."""
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


def _is_of_mail(said: "frozenset[str]") -> bool:
    return bool(said & MAIL) or any(inside in word for word in said for inside in MAIL_INSIDE)


def asking(names: "list[str]") -> "dict[int, bool]":
    """Columns that say of each person whether they are meant, by place; False where a yes is against it."""
    found = {}
    for place, name in enumerate(names[:MAX_ASKED]):
        said = words(name)
        if excludes(name):
            found[place] = False
        elif _asks(said):
            found[place] = True
    return found


def _asks(said: "list[str]") -> bool:
    asked = [word for word in said if IS_ASKED.fullmatch(word)]
    return bool(asked) and AROUND_IT.union(asked).issuperset(said)


def answer_against(names: "list[str]", cells: "list[str]", asked: "dict[int, bool]") -> str:
    """`À inviter : non`, or `Désinscrit : oui`; "" where no column says so."""
    for place, is_for in asked.items():
        cell = cells[place] if place < len(cells) else ""
        if not cell or len(cell) > MAX_ANSWER or "@" in cell:
            continue
        if (NO if is_for else YES).fullmatch(cell):
            return f"{names[place]} : {cell}"
    return ""


def says_yes(cell: str) -> bool:
    """A cross, or a word for it."""
    return len(cell) <= MAX_ANSWER and cell.lower() in CROSSES


def crosses_by(names: "list[str]") -> "list[int]":
    """Columns in which those to invite are marked, so that the others are not."""
    return [
        place
        for place, is_for in asking(names).items()
        if is_for and any(map(INVITED.fullmatch, words(names[place])))
    ]


def begins_with_role(cells: "list[str]") -> bool:
    """`Responsable;a@b` where others are called otherwise; not `Parent`, which is a name too."""
    match [cell for cell in cells if cell]:
        case [first, _] if "@" not in first:
            said = frozenset(words(first))
            return bool(said & ROLES) and said <= KNOWN and said != {"parent"}
    return False


def begins_with_others(names: "list[str]", cells: "list[str]", *, is_apart: bool) -> str:
    """The first cell of a record with an address, where it is no name: `Contact;a@b`, `De<tab>Chef <a@b>`."""
    place = next((place for place, cell in enumerate(cells) if cell), 0)
    cell = cells[place]
    said = frozenset(words(cell))
    if not said or "@" in cell:
        return ""
    if not names:
        return cell if said <= SENDERS else ""
    over = frozenset(words(names[place])) if place < len(names) else frozenset[str]()
    if not over <= NAMES | LINKS:
        return ""
    is_other = is_apart and (cell.endswith(":") or (names_others(cell) and not said & TO))
    return cell if is_other or said & TO_ASK else ""
