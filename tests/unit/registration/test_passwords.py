"""A password is judged by how many guesses it takes in France, and against the person's own data."""

import random
import string

import pytest
from spellchecker import SpellChecker

from identity.registration.passwords import MIN_POWER, Reason, judge
from identity.registration.passwords.guesses import MAX_JUDGED, power_of_ten
from identity.registration.passwords.words import ranks

CAMILLE = (
    "Camille Durand [Rouen]",
    "camille.durand@ac-rouen.example",
    "Éducation nationale – Rouen",
)
LEA = ("Léa Petit", "lea.petit@asso.example", "Association pour tous")

GUESSED = {
    "a word, a year and a sign": """
        Bienvenue2026! Printemps2026! Motdepasse1!! Decembre2026! Décembre-2026! Chocolat12345! Vacances2026!
        Administrateur1! Anticonstitutionnellement2026! Ornithorynque2026! Réchauffement2030! Éducation2026!
        Summer2026!!! Welcome2026!! Letmein12345!""",
    "the same, decorated": """
        B!3nv3nu3-2026! bIeNvEnUe2026! BIENVENUE2026!! !!Bienvenue2026!! 2026Bienvenue! Bienvenue_2026_#
        M0td3p4ss32026! P@ssw0rd2026! $0l31l2026!!! aNtIcOnStItUtIoNnElLeMeNt2026! Pr1nt3mps2026
        B.i.e.n.v.e.n.u.e.2026! B-I-E-N-V-E-N-U-E-2026""",
    "the same, backwards": "!6202euneivneiB eunevneib2026!! spmetnirP2026! àç_è-('\"é& mlkjhgfdsq2026",
    "the same, twice": """
        Bienvenue2026!Bienvenue2026! Bienvenue2026!Bienvenue2026!Bien BBiieennvveennuuee2026 GuichetGuichet1
        été2026été2026 decembre-decembre Rouen-76-Rouen""",
    "walks on the keyboard": """
        Azertyuiop123! AZERTYUIOP2026 azertyuiop^$12 qsdfghjklmù* Qsdfghjklm2026! Wxcvbn,;:!2026
        AzertyQsdfghWxcvbn1! aqwzsxedc2026! poiuytreza123! &é"'(-è_çà &é"'(-è_çà)= 1&2é3"4'5(6-
        1a2z3e4r5t6y 12345azertyui 1234567890-= qwertyuiop123! 1qaz2wsx3edc!""",
    "two walks that take turns": """
        a1z2e3r4t5y6 1q2s3d4f5g6h q1s2d3f4g5h6 q1w2e3r4t5y6! p0o9i8u7y6t5""",
    "the service and the administration": """
        Guichet2026!!! Tchap2026!!! Matrix-2026-!! Synapse2026!! MinistereInterieur2026 MinistereDeLInterieur2026!
        PrefectureNormandie2026! RectoratAcademie2026! EducationNationale2026! ProfesseurDesEcoles76
        ServiceInformatique2026! Gendarmerie17!""",
    "places": "Rouen2026!! Rouen76000!! Marseille13013! Bordeaux33000! VilleDeRouen2026! Normandie76!!",
    "a town and its postcode": """
        Yvetot76190!! Fecamp76400!!! Lisieux14100! Etretat76790! Dieppe76200!! Bzh29000bzh! Guingamp22200!!
        Sarlat24200!! 59300Valenciennes""",
    "people": "Camille2026!! Nathalie14071985 Jean-Baptiste1985 JeanDupont2026 CamilleMartin76 Napoleon1er1815!",
    "the calendar": """
        Lundi01Janvier2026 Janvier2026Fevrier2027! lundimardimercredi Monday12Monday12 Hiver2026!!!!!
        14/07/1789Paris! Été2026Été2026! JoyeuxNoel2026! BonneAnnee2027! Automne2025$$ Spring20302031""",
    "what everybody says": """
        BonjourLeMonde1 JeTaimeMaman2026! LaVieEstBelle2026! LibertéÉgalitéFraternité! VivelaFrance2026!
        AllezLesBleus2026! NouveauMotDePasse1 MotDePasseOublie! MonMotDePasse1! unDeuxTrois123! Soleil123!!!""",
    "names, feasts, clubs, brands, films and sayings": """
        Gwenaelle29!! Flaubert1821! Pentecote26! Hamdoulilah! PSG4everPSG! Iphone15pro! Snapchat26!!
        Coronavirus19! VeniVidiVici Jadoremonchat Yoda900ans!! Lagrandevadrouille Supercalifragilistic
        Maupassant1850! Nolwenn56!!!! Toussaint2026!! Instagram2026! Inchallah2026!""",
    "nothing but a pattern": """
        aaaaaaaaaaaaaaaa abcabcabcabcabc abcdefghijklmnop 123456789012345 a1a1a1a1a1a1a1 20262026202620
        !!!!!!!!!!!!!!""",
}

HOLDING = [
    "cheval agrafe tulipe correct",
    "cheval-batterie-agrafe-correct",
    "girafetonneaucadenasvirgule",
    "TournesolBriqueCascadeViolon",
    "pomme guitare nuage vélo",
    "correct horse battery staple",
    "Les canards traversent la mare quand il pleut trop fort.",
    "Mon chien mange 3 carottes bleues le mardi",
    "wq8-Tk2 mP0_zz",
    "x7#Kq9$Lm2@Vbn",
    "fjK29sdkQpz!",
    "53134449121623199866",
    "Ключ от дома под ковриком",
    "日本語のパスワードです、長いもの",
]


@pytest.mark.slow
@pytest.mark.parametrize("password", [word for words in GUESSED.values() for word in words.split()])
def test_what_french_guessers_try_first_is_refused(password):
    verdict = judge(password, about=LEA, nearby=("Guichet",)) if len(password) >= 12 else None
    assert verdict is None or verdict.reason is Reason.EASY, verdict
    assert power_of_ten(password, ranks().get) < MIN_POWER


@pytest.mark.parametrize("password", HOLDING)
def test_words_at_random_sentences_and_random_letters_are_taken(password):
    assert judge(password, about=LEA).ok, judge(password, about=LEA)


@pytest.mark.slow
@pytest.mark.parametrize(
    "letters",
    [
        string.ascii_letters + string.digits + string.punctuation,
        string.ascii_letters + string.digits,
        string.ascii_lowercase + string.digits,
        string.ascii_lowercase,
    ],
)
def test_what_password_managers_make_up_is_taken(letters):
    drawn = random.Random(2026)
    made = ["".join(drawn.choices(letters, k=14)) for _ in range(200)]
    # Of small letters alone, one in a few hundred happens to be made of words.
    refused = [each for each in made if not judge(each, about=()).ok]
    assert len(refused) <= 1, refused


@pytest.mark.slow
@pytest.mark.parametrize("between", ["", " ", "-"])
def test_four_french_words_at_random_are_taken(between):
    frequency = SpellChecker(language="fr").word_frequency.dictionary
    common = sorted(frequency, key=lambda word: (-frequency[word], word))
    words = [word for word in common if 4 <= len(word) <= 9][:5000]
    drawn = random.Random(2026)
    made = [between.join(drawn.sample(words, 4)) for _ in range(200)]
    assert sum(judge(each, about=()).ok for each in made) >= 198


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("short", Reason.TOO_SHORT),
        ("camille", Reason.TOO_SHORT),
        ("x" * 513, Reason.TOO_LONG),
        ("Durand-et-fils-1972", Reason.PERSONAL),
        ("Dur4nd-et-fils-1972", Reason.PERSONAL),
        ("D.u.r.a.n.d et fils 1972", Reason.PERSONAL),
        ("vive-ÉDUCATION-9481", Reason.PERSONAL),
        ("vélo rouge camille nuage", Reason.PERSONAL),
        ("rouen pomme guitare nuage", Reason.PERSONAL),
        ("dnarud2026!!", Reason.EASY),
        ("wq8-Tk2 mP0_zz\0", Reason.UNTYPED),
        ("wq8-Tk2 mP0_zz\ud800", Reason.UNTYPED),
        ("wq8-Tk2\tmP0_zz", Reason.UNTYPED),
        ("wq8-Tk2 mP0_zz", None),
    ],
)
def test_a_password_is_refused_for_its_reason_or_taken(password, reason):
    verdict = judge(password, about=CAMILLE)
    assert verdict.reason is reason
    assert verdict.ok is (reason is None)


def test_a_password_with_the_persons_name_is_fine_for_somebody_else():
    assert judge("vélo rouge camille nuage", about=LEA).ok


def test_an_everyday_word_in_an_organisations_name_forbids_no_sentence():
    assert judge("Les canards traversent la mare pour manger", about=LEA).ok


def test_words_of_the_page_make_a_password_easy_but_do_not_forbid_it():
    page = ("Salamandrine", "Kerguelen-Sud")
    assert judge("Kerguelen7 sud!", about=LEA).ok
    assert judge("Kerguelen7 sud!", about=LEA, nearby=page).reason is Reason.EASY
    assert judge("salamandrine brique cascade violon", about=LEA, nearby=page).ok


HEAVY = [
    "a1" * 256,
    "1234567890" * 51,
    "4@8({[<3691!|70$5+%2" * 25,
    "p4$$w0rd!1|" * 46,
    "a" * 512,
    "aab" * 170,
    "2026" * 128,
    "01/02/1990" * 51,
    "azertyuiop" * 51,
    "le" * 256,
    "e" + "\N{COMBINING ACUTE ACCENT}" * 511,
    "ﷺ" * 512,
    "œ" * 512,
]


def _fibonacci(length: int) -> str:
    """The word with the most repetitions inside repetitions."""
    before, word = "b", "a"
    while len(word) < length:
        before, word = word, word + before
    return word[:length]


@pytest.mark.parametrize(
    "password", [*HEAVY, _fibonacci(512), "".join(random.Random(1).choices("ab", k=512))]
)
def test_the_work_on_a_password_is_bounded_whatever_it_is(password):
    """Counted by the words that are looked up. Those of 512 characters are no more work than of those judged."""
    looked_up = 0

    def rank_of(word: str) -> int | None:
        nonlocal looked_up
        looked_up += 1
        return ranks().get(word)

    power_of_ten(password, rank_of)
    assert 0 < looked_up < 40_000
    before, looked_up = looked_up, 0
    power_of_ten(password + password, rank_of)
    assert looked_up <= before + 28 * MAX_JUDGED


def test_a_long_password_is_judged_by_its_beginning():
    assert judge("a" * MAX_JUDGED + "wq8-Tk2 mP0_zz", about=LEA).reason is Reason.EASY
    assert judge("wq8-Tk2 mP0_zz" + "a" * 400, about=LEA).ok
