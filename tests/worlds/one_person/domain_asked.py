"""What the tables have of somebody who asked for a domain, and of another who named them."""

from domain_rules.addresses import EmailAddress
from identity.domain_requests import asking, deciding, models, proofs, service
from identity.domain_requests.models import Size
from identity.domain_requests.service import Wish

from .names import OLGA


def ask_for_a_domain(session, services, address, tagged):
    now = services.now()
    asking.request_code(session, now, address=address, language="fr", device="Firefox")
    named = f"for {address.canonical}"
    wish = Wish(named, named, Size.UNDER_10, site=named, phone=named, it_contact=named)
    asked = service.ask(session, services.hashes, now, address=tagged, wish=wish, language="fr")
    deciding.ask_back(session, now, OLGA, asked.request, f"Is {address.canonical} yours?")
    service.answer(session, now, asked.request, asked.requester, f"yes, {address.display}")
    proofs.begin(session, now, asked.request)
    asked.request.evidence = {"mail": {"spf": f"v=spf1 exp={address.canonical}"}}
    models.find_proof(session, asked.request.id).found = [f"contact={address.canonical}"]
    other = EmailAddress.parse("lea@asso.example")
    colleague = Wish("Asso", "treasurer", Size.UNDER_10, it_contact=address.display)
    service.ask(session, services.hashes, now, address=other, wish=colleague, language="fr")
