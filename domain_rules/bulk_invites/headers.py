"""What the words above addresses say: whether they are a header, and whose addresses follow.

A header is recognised by its words, French and English. Addresses are meant where every word above
them is known to say so; anything else, and any unknown word, leaves a doubt.
"""

import re
import unicodedata
from enum import IntEnum


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


MAX_HEADER_CHARACTERS = 80  # characters of a header
MAX_TITLE = 1_000
MAX_WORDS = 8
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Za-z])(?=[0-9])")
NOT_A_WORD = re.compile(r"[^a-z0-9]+")
ADDRESS_INSIDE = re.compile(r"\S*@\S+")  # `Courriel (prenom.nom@agents.example)`

MAIL = word_set("mel messagerie electronique electr elec elect smtp adel")
MAIL_INSIDE = ("mail", "courriel")
ADDRESS = word_set("adresse adresses adr address addresses courrier")
WORK = word_set(
    "pro professionnel professionnelle professionnels work business travail bureau office"
    " entreprise corporate company academique institutionnel institutionnelle administratif"
    " principal principale primary main 1 acad officiel officielle individuel individuelle premiere"
)
PERSON = word_set(
    "agent agents collaborateur collaboratrice collaborateurs employe employee employes salarie"
    " salaries participant participants participante participantes attendee attendees invite"
    " invites guest guests membre membres member members stagiaire stagiaires eleve eleves student"
    " students etudiant etudiants user users utilisateur utilisateurs personne personnes person"
    " people destinataire destinataires recipient recipients contact contacts inscrit inscrits"
    " interesse interesses personnel staff respondent candidat candidats adherent adherents present"
    " presents presente presentes"
)
PRIVATE = re.compile(
    r"perso(nnel(le)?s?|nal)?|priv(e|ee|es|ate)|home|domicile|maison|particuliere?"
)
SECOND = word_set(
    "2 3 4 5 6 7 8 9 secondaire secondary second alternate alternatif alternative autre autres"
    " other others secours recovery backup supplementaire additional additionnel additionnelle"
    " ancien ancienne old former previous alias bis"
)
SOMEBODY_ELSE = word_set(
    "manager managers responsable responsables superieur superieure superieurs chef cheffe chefs"
    " hierarchique hierarchie par by referent referente referents tuteur tutrice tuteurs tutor"
    " supervisor superviseur encadrant encadrants encadrante directeur directrice directeurs"
    " director head boss lead leader assistant assistante secretaire parent parents pere mere"
    " conjoint conjointe spouse partner partenaire urgence emergency gestionnaire valideur"
    " validateur approver approbateur sponsor parrain marraine demandeur requester owner"
    " proprietaire createur creator created cree modifie modified auteur author expediteur sender"
    " from reply remplacant remplacante suppleant suppleante substitute delegate delegue drh rh hr"
    " correspondant coordinateur coordinatrice coordonnateur rapporteur formateur formatrice mentor"
    " president presidente prescripteur inviter inviteur cc cci bcc copie resp sup rl famille"
    " family prevenir host hote organisateur organisatrice organizer organiser animateur animatrice"
    " etablissement generique direction secretariat signataire saisi modificateur editeur editor"
    " updated legal legaux kin guardian hrbp superviser supervision hebergeur"
)
# People not to be invited: `exclus`, `désinscrits`, `absents excusés`, `unsubscribed`.
EXCLUDED = re.compile(
    r"(?:exclu|refus|declin|absen|excus|desinscri|desabonn|unsubscri|bloqu|blocked|blacklist"
    r"|bounce|annul|cancel|desist|radie|inacti|removed|supprim|npai|denied|reject|rejet"
    r"|demission|deced)[a-z]*"
)
HINT = re.compile(
    r"exclu|refus|decl|décl|absen|excus|abonn|inscri|unsub|blo[qc]|blackl|bounce|annul|cancel"
    r"|desist|désist|radi|inacti|remov|suppr|npai|pas|plus|not|don.?t|opt|denied|reje"
    r"|d[eé]mis|d[eé]c[eé]d|parti|quitt|left",
    re.IGNORECASE,
)
MAX_STATUS = 3  # words
# As a whole cell, or as its beginning.
GONE = re.compile(r"partie?s?|(?:a|ont) quittee?s? .*|(?:has )?left")
NOT_MEANT = re.compile(r"\b(?:(?:ne|a) (?:pas|plus)|(?:do|must) not|don t|not to|opt(?:ed)? out)\b")
NOTES = word_set(
    "note notes remarque remarques commentaire commentaires comment comments observation"
    " observations description divers memo info infos information informations"
)
LOGIN = word_set(
    "login identifiant compte account id uid upn principal name username nom prenom noms prenoms"
)
OTHER_COLUMNS = LOGIN | word_set(
    "names firstname first last lastname surname given family middle civilite titre title fonction"
    " function job position service direction departement department pole unite organisme"
    " organisation organization societe etablissement telephone tel phone mobile portable fax ville"
    " city cp code postal pays country matricule no numero number role statut status n date groupe"
    " group classe poste corps grade uai rne academie academy site ligne line display affichage"
    " complet full horodateur timestamp time join leave duration equipe"
)
SHOWN = word_set("display affichage label libelle type complet full")
WITHOUT = word_set("pas sans aucun aucune no none without")  # of a person, not of a column
LINKS = word_set("de du des d la le les l et and of the a e to")
ASKED = word_set(  # as forms ask for it
    "quel quelle est votre vos mon ma my your what is please saisir entrer obligatoire requis"
    " required valide valid value ex exemple example format avez vous une un indiquer indiquez"
    " merci"
)
LIST = word_set("liste list groupe group equipe team")
TO = word_set("to a pour cc cci bcc copie")
# As meeting software says it: `Participants obligatoires : …`
INVITED_AS = word_set("obligatoires obligatoire facultatifs facultatif required optional")
ABOVE = re.compile(r"\bn [12]\b")  # `N+1`
# `Personnes à inviter` are the people meant; `inviter` alone is who invites.
MEANT = re.compile(r"(?<!pas )\b(?:a|to) (?:inviter|convier|invite)\b")
POSSESSIVE = re.compile(r"\b(?:du|de la|de l|des|of(?: the)?) ([a-z0-9]+)|\b([a-z0-9]+) s\b")
KNOWN = MAIL | ADDRESS | WORK | PERSON | SECOND | SOMEBODY_ELSE | NOTES | OTHER_COLUMNS | LINKS
OF_A_COLUMN = ADDRESS | WORK | PERSON | SECOND | LOGIN | SHOWN | LINKS | ASKED
OF_PEOPLE = (PERSON - word_set("contact contacts")) | LIST | TO


class Fit(IntEnum):
    """How well the words above a column fit the addresses of the people meant."""

    SOMEBODY_ELSE = 0
    PRIVATE = 1
    SECOND = 2
    UNSAID = 3
    UNKNOWN = 4  # a word that may name somebody else
    MAILBOX = 5
    WORK_MAILBOX = 6
    MEANT = 7


DOUBTFUL = frozenset({Fit.SOMEBODY_ELSE, Fit.UNKNOWN})


def is_header(cells: list[str]) -> bool:
    """Whether a record without a person in it names columns."""
    filled = [
        ADDRESS_INSIDE.sub(" ", cell[: MAX_HEADER_CHARACTERS + 1]) for cell in cells if cell.strip()
    ]
    if any(_names_mailboxes(words_of(cell)) for cell in filled):
        return True
    known = sum(map(_is_known, filled))
    signs = sum(not any(map(str.isalnum, cell)) for cell in filled)  # `#`, over numbers
    return bool(known) and (known + signs) * 2 > len(filled)


def is_all_header(cells: list[str]) -> bool:
    """Whether the record has column names only: in the middle of a list a name is no header."""
    filled = [cell for cell in cells if cell.strip()]
    return len(filled) > 1 and all(map(_is_known, filled))


def fit_of(header: str) -> Fit:
    """How well the column under this header fits; UNSAID without a name."""
    said = words_of(ADDRESS_INSIDE.sub(" ", header)) if len(header) <= MAX_HEADER_CHARACTERS else []
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
    """Whether addresses may be expected: not under a name, telephone, remark or unknown word."""
    said = words_of(header)
    if (OTHER_COLUMNS | NOTES | LINKS).issuperset(said):
        return False
    return _is_of_mail(said) or fit_of(header) is not Fit.UNKNOWN


def excludes(text: str) -> bool:
    """Whether the text says that some people are not to be invited."""
    said = words_of(text[:MAX_TITLE], MAX_TITLE)
    return any(map(EXCLUDED.fullmatch, said)) or bool(NOT_MEANT.search(" ".join(said)))


def find_excluding_status(cells: list[str]) -> str:
    """The cell that only says that this person is not to be invited: `désinscrit`."""
    if not HINT.search(" ".join(cells)):
        return ""
    said = (cell for cell in cells if "@" not in cell and len(cell) <= MAX_HEADER_CHARACTERS)
    return next((cell for cell in said if _is_against(cell)), "")


def _is_against(cell: str) -> bool:
    said = words_of(cell)
    is_short = len(said) <= MAX_STATUS
    return (is_short and excludes(cell)) or bool(GONE.fullmatch(" ".join(said)))


def names_people(text: str) -> bool:
    """Whether words before or above addresses say that these are the people: `Participants :`."""
    said = [word for word in words_of(text) if not (word.isdigit() or _is_of_mail([word]))]
    return bool(OF_PEOPLE.intersection(said)) and (OF_PEOPLE | LINKS | INVITED_AS).issuperset(said)


def names_others(text: str) -> bool:
    """Whether words above addresses say that they are others' or not to be invited."""
    return fit_of(text) is Fit.SOMEBODY_ELSE or excludes(text)


def words_of(header: str, most: int = MAX_HEADER_CHARACTERS) -> list[str]:
    """The words in lower case without accents: `Mél_Pro` gives `mel`, `pro`.

    None if the text has more than `most` characters.
    """
    if len(header) > most:
        return []
    spaced = CAMEL.sub(" ", header)
    letters = unicodedata.normalize("NFKD", spaced)
    plain = "".join(each for each in letters if not unicodedata.combining(each)).lower()
    apart = [_apart(word) for word in NOT_A_WORD.split(plain) if word]
    return [word for each in apart for word in each]


def _fit_of_known(said: list[str]) -> Fit:
    if any(PRIVATE.fullmatch(word) for word in said) and "du personnel" not in " ".join(said):
        return Fit.PRIVATE
    if SECOND.intersection(said):
        return Fit.SECOND
    if SHOWN.intersection(said) or not (_is_of_mail(said) or ADDRESS.intersection(said)):
        return Fit.UNSAID
    return Fit.WORK_MAILBOX if WORK.intersection(said) else Fit.MAILBOX


def _is_of_known_people(said: list[str]) -> bool:
    owners = {one or other for one, other in POSSESSIVE.findall(" ".join(said))}
    return owners <= PERSON | {"travail"} and all(
        word in OF_A_COLUMN or _is_of_mail([word]) or PRIVATE.fullmatch(word) for word in said
    )


def _apart(word: str) -> list[str]:
    """`mailpro` and `emailperso` are two words each."""
    for inside in ("email", "mail", "courriel"):
        before, found, after = word.partition(inside)
        after = after.removeprefix("s") if after == "s" else after
        if found and (before or after):
            return [each for each in (before, inside, after) if each]
    return [word]


def _names_mailboxes(said: list[str]) -> bool:
    return _is_of_mail(said) and len(said) <= MAX_WORDS and not WITHOUT.intersection(said)


def _is_known(cell: str) -> bool:
    said = words_of(cell)
    return all(map(_is_known_word, said)) and not all(
        word in LINKS or word.isdigit() for word in said
    )


def _is_known_word(word: str) -> bool:
    return word in KNOWN or _is_of_mail([word]) or bool(EXCLUDED.fullmatch(word))


def _is_of_mail(said: list[str]) -> bool:
    return any(word in MAIL or any(inside in word for inside in MAIL_INSIDE) for word in said)
