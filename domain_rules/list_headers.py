"""The words over a column of addresses: whether they make a header, and whose addresses stand below it.

A header is recognised by its words, French and English, never by what is missing in it.
"""

import re
import unicodedata


def _set(text: str) -> "frozenset[str]":
    return frozenset(text.split())


LONGEST = 80  # characters of a header
MOST_WORDS = 8
CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
NOT_A_WORD = re.compile(r"[^a-z0-9]+")

MAIL = _set("mel messagerie electronique smtp adel")
MAIL_INSIDE = ("mail", "courriel")
ADDRESS = _set("adresse adresses address addresses")
WORK = _set(
    "pro prof professionnel professionnelle professionnels work business travail bureau office entreprise"
    " corporate company academique institutionnel institutionnelle administratif principal principale primary"
    " main 1"
)
PERSON = _set(
    "agent agents collaborateur collaboratrice employe employee salarie participant participants participante"
    " invite invites guest membre member membres stagiaire eleve user users utilisateur personne person people"
    " destinataire destinataires contact contacts inscrit inscrits interesse personnel adresse messagerie courriel"
    " travail bureau service equipe staff"
)
PRIVATE = re.compile(
    r"perso(nnel(le)?s?|nal)?|priv(e|ee|es|ate)|home|domicile|maison|particuliere?"
)
SECOND = _set(
    "2 3 4 5 6 7 8 9 secondaire secondary second alternate alternatif alternative autre autres other others secours"
    " recovery backup supplementaire additional additionnel additionnelle ancien ancienne old former previous alias bis"
)
SOMEBODY_ELSE = _set(
    "manager managers responsable responsables superieur superieure chef cheffe chefs hierarchique hierarchie par by"
    " referent referente tuteur tutrice tutor supervisor superviseur encadrant encadrante directeur directrice"
    " director head boss lead leader assistant assistante secretaire parent parents pere mere conjoint conjointe"
    " spouse partner partenaire urgence emergency gestionnaire valideur validateur approver approbateur sponsor"
    " parrain marraine demandeur requester owner proprietaire createur creator created cree modifie modified auteur"
    " author expediteur sender from reply remplacant remplacante suppleant suppleante substitute delegate delegue"
    " drh rh hr correspondant coordinateur coordinatrice coordonnateur rapporteur formateur formatrice mentor"
    " president presidente prescripteur inviter inviteur cc cci bcc copie resp sup rl famille family prevenir host hote"
    " organisateur organisatrice organizer organiser animateur animatrice excuse excuses exclu exclus exclure excluded"
    " desinscrit desinscrits desinscrire unsubscribed etablissement generique direction secretariat signataire saisi"
    " modificateur editeur editor updated legal legaux kin guardian hrbp n1 n2 superviser supervision hebergeur refuse"
    " refuses declined absent absents bloque bloques blocked bounced bounce"
)
NOTES = _set(
    "note notes remarque remarques commentaire commentaires comment comments observation observations description"
    " divers memo info infos information informations"
)
OTHER_COLUMNS = _set(
    "nom noms prenom prenoms name names firstname first last lastname surname given family middle civilite titre"
    " title fonction function job position service direction departement department pole unite organisme"
    " organisation organization societe etablissement telephone tel phone mobile portable fax ville city cp code"
    " postal pays country login identifiant compte account id uid matricule no numero number role statut status n"
    " date groupe group classe poste corps grade uai rne academie academy site ligne line display affichage complet"
    " full"
)
SHOWN = _set("display affichage label libelle type complet full")
WITHOUT = _set("pas sans aucun aucune no none without")  # of a person, not of a column
LINKS = _set("de du des d la le les l et and of the a e")
ABOVE = re.compile(r"\bn [12]\b|\bprof(?:esseur)? principal")  # `N+1`, a teacher of a class
# `Personnes à inviter` are the people meant; `inviter` alone is who invites.
MEANT = re.compile(r"(?<!pas )\b(?:a|to) (?:inviter|convier|invite)\b")
NOT_MEANT = re.compile(r"\b(?:ne pas|do not|don t)\b")
POSSESSIVE = re.compile(r"\b(?:du|de la|de l|des|of(?: the)?) ([a-z0-9]+)|\b([a-z0-9]+) s\b")
KNOWN = MAIL | ADDRESS | WORK | PERSON | SECOND | SOMEBODY_ELSE | NOTES | OTHER_COLUMNS | LINKS

PLAIN = ADDRESS | WORK | PERSON | LINKS

# How well the words over a column fit the addresses of the people meant.
NEVER_BY_ITSELF, PRIVATE_ONE, SECOND_ONE, UNSAID, UNSURE, MAILBOX, WORK_MAILBOX, MEANT_ONE = range(
    8
)


def is_header(cells: "list[str]") -> bool:
    """Whether a record without a person in it names columns."""
    filled = [cell for cell in cells if cell.strip()]
    if any(_names_mailboxes(words(cell)) for cell in filled):
        return True
    known = sum(map(_is_known, filled))
    signs = sum(not any(map(str.isalnum, cell)) for cell in filled)  # `#`, over numbers
    return bool(known) and (known + signs) * 2 > len(filled)


def rank(header: str) -> int:
    """How well the column under this header fits; UNSAID for one without a name, NEVER_BY_ITSELF for somebody else's."""
    said = words(header)
    if NOTES.intersection(said) or _is_somebody_elses(said):
        return NEVER_BY_ITSELF
    return _rank_of_mailbox(said)


def _rank_of_mailbox(said: "list[str]") -> int:
    if any(PRIVATE.fullmatch(word) for word in said) and "du personnel" not in " ".join(said):
        return PRIVATE_ONE
    if SECOND.intersection(said):
        return SECOND_ONE
    if MEANT.search(" ".join(said)):
        return MEANT_ONE
    if SHOWN.intersection(said) or not (_is_of_mail(said) or ADDRESS.intersection(said)):
        return UNSAID
    if not all(_is_of_mail([word]) or word in PLAIN for word in said):
        return UNSURE  # an unknown word may be somebody else: `Courriel de X` is no better than `Courriel`
    return WORK_MAILBOX if WORK.intersection(said) else MAILBOX


def words(header: str) -> "list[str]":
    """Its words in lower case and without accents: `Mél_Pro` is `mel`, `pro`."""
    if len(header) > LONGEST:
        return []
    spaced = CAMEL.sub(" ", header)
    letters = unicodedata.normalize("NFKD", spaced)
    plain = "".join(each for each in letters if not unicodedata.combining(each)).lower()
    apart = [_apart(word) for word in NOT_A_WORD.split(plain) if word]
    return [word for each in apart for word in each]


def _apart(word: str) -> "list[str]":
    """`mailpro` and `emailperso` are two words each; a number stands alone."""
    for inside in ("email", "mail", "courriel"):
        before, found, after = word.partition(inside)
        after = after.removeprefix("s") if after == "s" else after
        if found and (before or after):
            return [each for each in (before, inside, after) if each]
    return [word]


def _names_mailboxes(said: "list[str]") -> bool:
    return _is_of_mail(said) and len(said) <= MOST_WORDS and not WITHOUT.intersection(said)


def _is_known(cell: str) -> bool:
    said = words(cell)
    return KNOWN.issuperset(said) and not all(word in LINKS or word.isdigit() for word in said)


def _is_of_mail(said: "list[str]") -> bool:
    return any(word in MAIL or any(inside in word for inside in MAIL_INSIDE) for word in said)


def _is_somebody_elses(said: "list[str]") -> bool:
    text = MEANT.sub("", " ".join(said))
    if SOMEBODY_ELSE.intersection(text.split()) or ABOVE.search(text) or NOT_MEANT.search(text):
        return True
    owners = {one or other for one, other in POSSESSIVE.findall(" ".join(said))}
    return bool(owners - PERSON - WORK)
