"""Camille, an agent at a domain with accents, and those who have to do with her."""

from domain_rules.addresses import EmailAddress
from identity.core.journal import Actor
from tests.worlds.services import EDUCATION

DOMAIN = "éducation-rouen.example"
TYPED = f"Camille.DURAND@{DOMAIN.upper()}"
CAMILLE = EmailAddress.parse(TYPED)
TAGGED = EmailAddress.parse(f"camille.durand+listes@{DOMAIN}")
LOCAL = CAMILLE.local
HERS = f"@{LOCAL}-{CAMILLE.ascii_domain.replace('-', '=2d')}:{EDUCATION}"
ZOE, ZOES = "@zoe:education.example", "zoe.martin@ac-rouen.example"
GIL = "gil@association.example"
ROOM = "!room:education.example"
OLGA = Actor("olga", "here", "she asked for it")
