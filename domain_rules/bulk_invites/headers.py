"""The words over addresses: whether they are a header, and whose the addresses below are.

A header is recognised by its words, French and English, never by what is missing in it. Addresses are meant where every
word above them is known to say so: what says anything else, or something unknown, leaves a doubt.
"""

import re
import unicodedata
from enum import IntEnum


def _set(text: str) -> "frozenset[str]":
    return frozenset(text.split())


MAX_HEADER_CHARACTERS = 80  # characters of a header
MAX_TITLE = 1_000
MAX_WORDS = 8
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=[0-9])")
NOT_A_WORD = re.compile(r"[^a-z0-9]+")
ADDRESS_INSIDE = re.compile(r"\S*@\S+")  # `Courriel (prenom.nom@agents.example)`

MAIL = _set("mel messagerie electronique electr elec elect smtp adel")
MAIL_INSIDE = ("mail", "courriel")
ADDRESS = _set("adresse adresses adr address addresses courrier")
WORK = _set(
    "pro professionnel professionnelle professionnels work business travail bureau office entreprise"
    " corporate company academique institutionnel institutionnelle administratif principal principale primary"
    " main 1 acad officiel officielle individuel individuelle premiere"
)
PERSON = _set(
    "agent agents collaborateur collaboratrice collaborateurs employe employee employes salarie salaries participant"
    " participants participante participantes attendee attendees invite invites guest guests membre membres member"
    " members stagiaire stagiaires eleve eleves student students etudiant etudiants user users utilisateur utilisateurs"
    " personne personnes person people destinataire destinataires recipient recipients contact contacts inscrit inscrits"
    " interesse interesses personnel staff respondent candidat candidats adherent adherents"
    " present presents presente presentes"
)
PRIVATE = re.compile(
    r"perso(nnel(le)?s?|nal)?|priv(e|ee|es|ate)|home|domicile|maison|particuliere?"
)
SECOND = _set(
    "2 3 4 5 6 7 8 9 secondaire secondary second alternate alternatif alternative autre autres other others secours"
    " recovery backup supplementaire additional additionnel additionnelle ancien ancienne old former previous alias bis"
)
SOMEBODY_ELSE = _set(
    "manager managers responsable responsables superieur superieure superieurs chef cheffe chefs hierarchique hierarchie"
    " par by referent referente referents tuteur tutrice tuteurs tutor supervisor superviseur encadrant encadrants"
    " encadrante directeur directrice directeurs director head boss lead leader assistant assistante secretaire parent"
    " parents pere mere conjoint conjointe spouse partner partenaire urgence emergency gestionnaire valideur validateur"
    " approver approbateur sponsor parrain marraine demandeur requester owner proprietaire createur creator created cree"
    " modifie modified auteur author expediteur sender from reply remplacant remplacante suppleant suppleante substitute"
    " delegate delegue drh rh hr correspondant coordinateur coordinatrice coordonnateur rapporteur formateur formatrice"
    " mentor president presidente prescripteur inviter inviteur cc cci bcc copie resp sup rl famille family prevenir host"
    " hote organisateur organisatrice organizer organiser animateur animatrice etablissement generique direction"
    " secretariat signataire saisi modificateur editeur editor updated legal legaux kin guardian hrbp superviser supervision"
    " hebergeur"
)
# `Exclus`, `désinscrits`, `absents excusés`, `unsubscribed`: these people are not to be invited.
EXCLUDED = re.compile(
    r"(?:exclu|refus|declin|absen|excus|desinscri|desabonn|unsubscri|bloqu|blocked|blacklist|bounce|annul|cancel|desist"
    r"|radie|inacti|removed|supprim|npai|denied|reject|rejet|demission|deced)[a-z]*"
)
HINT = re.compile(
    r"exclu|refus|decl|décl|absen|excus|abonn|inscri|unsub|blo[qc]|blackl|bounce|annul|cancel|desist|désist|radi|inacti"
    r"|remov|suppr|npai|pas|plus|not|don.?t|opt|denied|reje|d[eé]mis|d[eé]c[eé]d|parti|quitt|left",
    re.IGNORECASE,
)
MAX_STATUS = 3  # words
# As a whole cell, or as its beginning.
GONE = re.compile(r"partie?s?|(?:a|ont) quittee?s? .*|(?:has )?left")
NOT_MEANT = re.compile(r"\b(?:(?:ne|a) (?:pas|plus)|(?:do|must) not|don t|not to|opt(?:ed)? out)\b")
NOTES = _set(
    "note notes remarque remarques commentaire commentaires comment comments observation observations description"
    " divers memo info infos information informations"
)
LOGIN = _set(
    "login identifiant compte account id uid upn principal name username nom prenom noms prenoms"
)
OTHER_COLUMNS = LOGIN | _set(
    "names firstname first last lastname surname given family middle civilite titre"
    " title fonction function job position service direction departement department pole unite organisme"
    " organisation organization societe etablissement telephone tel phone mobile portable fax ville city cp code"
    " postal pays country matricule no numero number role statut status n"
    " date groupe group classe poste corps grade uai rne academie academy site ligne line display affichage complet"
    " full horodateur timestamp time join leave duration equipe"
)
SHOWN = _set("display affichage label libelle type complet full")
WITHOUT = _set("pas sans aucun aucune no none without")  # of a person, not of a column
LINKS = _set("de du des d la le les l et and of the a e to")
ASKED = _set(  # as forms ask for it
    "quel quelle est votre vos mon ma my your what is please saisir entrer obligatoire requis required valide valid value"
    " ex exemple example format avez vous une un indiquer indiquez merci"
)
LIST = _set("liste list groupe group equipe team")
TO = _set("to a pour cc cci bcc copie")
# As programs for meetings say it: `Participants obligatoires : …`
INVITED_AS = _set("obligatoires obligatoire facultatifs facultatif required optional")
ABOVE = re.compile(r"\bn [12]\b")  # `N+1`
# `Personnes à inviter` are the people meant; `inviter` alone is who invites.
MEANT = re.compile(r"(?<!pas )\b(?:a|to) (?:inviter|convier|invite)\b")
POSSESSIVE = re.compile(r"\b(?:du|de la|de l|des|of(?: the)?) ([a-z0-9]+)|\b([a-z0-9]+) s\b")
KNOWN = MAIL | ADDRESS | WORK | PERSON | SECOND | SOMEBODY_ELSE | NOTES | OTHER_COLUMNS | LINKS
OF_A_COLUMN = ADDRESS | WORK | PERSON | SECOND | LOGIN | SHOWN | LINKS | ASKED
OF_PEOPLE = (PERSON - _set("contact contacts")) | LIST | TO


class Fit(IntEnum):
    """How well the words over a column fit the addresses of the people meant."""

    SOMEBODY_ELSE = 0
    PRIVATE = 1
    SECOND = 2
    UNSAID = 3
    UNKNOWN = 4  # a word that may be somebody else: `Courriel de X` is no better than `Courriel`
    MAILBOX = 5
    WORK_MAILBOX = 6
    MEANT = 7


DOUBTFUL = frozenset({Fit.SOMEBODY_ELSE, Fit.UNKNOWN})


def is_header(cells: "list[str]") -> bool:
    """Whether a record without a person in it names columns."""
    filled = [
        ADDRESS_INSIDE.sub(" ", cell[: MAX_HEADER_CHARACTERS + 1]) for cell in cells if cell.strip()
    ]
    if any(_names_mailboxes(words(cell)) for cell in filled):
        return True
    known = sum(map(_is_known, filled))
    signs = sum(not any(map(str.isalnum, cell)) for cell in filled)  # `#`, over numbers
    return bool(known) and (known + signs) * 2 > len(filled)


def is_all_header(cells: "list[str]") -> bool:
    """Whether nothing else stands in the record: in the middle of a list nobody's name is taken for a header."""
    filled = [cell for cell in cells if cell.strip()]
    return len(filled) > 1 and all(map(_is_known, filled))


def fit(header: str) -> Fit:
    """How well the column under this header fits; UNSAID for one without a name."""
    said = words(ADDRESS_INSIDE.sub(" ", header)) if len(header) <= MAX_HEADER_CHARACTERS else []
    if not said:
        return Fit.UNKNOWN if any(map(str.isalnum, header)) else Fit.UNSAID
    text = " ".join(said)
    others = MEANT.sub("", text)
    is_known_other = SOMEBODY_ELSE.union(NOTES).intersection(others.split())
    if is_known_other or ABOVE.search(others) or excludes(header):
        return Fit.SOMEBODY_ELSE
    if MEANT.search(text):
        return Fit.MEANT
    if LIST.intersection(said) and names_people(text):
        return Fit.UNSAID
    return _fit_of_known(said) if _is_of_known_people(said) else Fit.UNKNOWN


def may_hold_addresses(header: str) -> bool:
    """Whether addresses are to be expected under it: not under a name, a telephone, a remark, or an unknown word."""
    said = words(header)
    if (OTHER_COLUMNS | NOTES | LINKS).issuperset(said):
        return False
    return _is_of_mail(said) or fit(header) is not Fit.UNKNOWN


def excludes(text: str) -> bool:
    """Whether it says that some people are not to be invited."""
    said = words(text[:MAX_TITLE], MAX_TITLE)
    return any(map(EXCLUDED.fullmatch, said)) or bool(NOT_MEANT.search(" ".join(said)))


def status_against(cells: "list[str]") -> str:
    """The cell of a record that says, and says nothing else, that this person is not to be invited: `désinscrit`."""
    if not HINT.search(" ".join(cells)):
        return ""
    said = (cell for cell in cells if "@" not in cell and len(cell) <= MAX_HEADER_CHARACTERS)
    return next((cell for cell in said if _is_against(cell)), "")


def _is_against(cell: str) -> bool:
    said = words(cell)
    is_short = len(said) <= MAX_STATUS
    return (is_short and excludes(cell)) or bool(GONE.fullmatch(" ".join(said)))


def names_people(text: str) -> bool:
    """Whether a line above addresses, or words and a colon before them, say that these are the people: `Participants :`."""
    said = [word for word in words(text) if not (word.isdigit() or _is_of_mail([word]))]
    return bool(OF_PEOPLE.intersection(said)) and (OF_PEOPLE | LINKS | INVITED_AS).issuperset(said)


def names_others(text: str) -> bool:
    """Whether a line above addresses says that they are somebody else's, or not to be invited."""
    return fit(text) is Fit.SOMEBODY_ELSE or excludes(text)


def words(header: str, most: int = MAX_HEADER_CHARACTERS) -> "list[str]":
    """Its words in lower case and without accents: `Mél_Pro` is `mel`, `pro`. None of them where it is longer than `most`."""
    if len(header) > most:
        return []
    spaced = CAMEL.sub(" ", header)
    letters = unicodedata.normalize("NFKD", spaced)
    plain = "".join(each for each in letters if not unicodedata.combining(each)).lower()
    apart = [_apart(word) for word in NOT_A_WORD.split(plain) if word]
    return [word for each in apart for word in each]


def _fit_of_known(said: "list[str]") -> Fit:
    if any(PRIVATE.fullmatch(word) for word in said) and "du personnel" not in " ".join(said):
        return Fit.PRIVATE
    if SECOND.intersection(said):
        return Fit.SECOND
    if SHOWN.intersection(said) or not (_is_of_mail(said) or ADDRESS.intersection(said)):
        return Fit.UNSAID
    return Fit.WORK_MAILBOX if WORK.intersection(said) else Fit.MAILBOX


def _is_of_known_people(said: "list[str]") -> bool:
    owners = {one or other for one, other in POSSESSIVE.findall(" ".join(said))}
    return owners <= PERSON | {"travail"} and all(
        word in OF_A_COLUMN or _is_of_mail([word]) or PRIVATE.fullmatch(word) for word in said
    )


def _apart(word: str) -> "list[str]":
    """`mailpro` and `emailperso` are two words each; a number stands alone."""
    for inside in ("email", "mail", "courriel"):
        before, found, after = word.partition(inside)
        after = after.removeprefix("s") if after == "s" else after
        if found and (before or after):
            return [each for each in (before, inside, after) if each]
    return [word]


def _names_mailboxes(said: "list[str]") -> bool:
    return _is_of_mail(said) and len(said) <= MAX_WORDS and not WITHOUT.intersection(said)


def _is_known(cell: str) -> bool:
    said = words(cell)
    return all(map(_is_known_word, said)) and not all(
        word in LINKS or word.isdigit() for word in said
    )


def _is_known_word(word: str) -> bool:
    return word in KNOWN or _is_of_mail([word]) or bool(EXCLUDED.fullmatch(word))


def _is_of_mail(said: "list[str]") -> bool:
    return any(word in MAIL or any(inside in word for inside in MAIL_INSIDE) for word in said)
