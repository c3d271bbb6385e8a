"""PostgreSQL, Redis, SMTP and Synapse, all real: from a work address to a login on the homeserver."""

from urllib.parse import urlsplit

from tests.services.person import PASSWORD, Person, code_in, link_in, plain
from tests.services.production import wait_until_done
from tests.worlds.accounts_on_synapse import *


def test_an_agent_signs_up_and_logs_in_on_the_right_homeserver(
    on_synapse, guichet_processes, smtp_server, synapse, family, address
):
    web = guichet_processes.web(on_synapse)
    guichet_processes.worker(on_synapse, "--concurrency", "2")
    guichet_processes.beat(on_synapse)
    camille = Person(web.url)
    camille.ask(f"Camille.{family.title()}@AC-ROUEN.example")
    assert camille.page.url.endswith("/check/1")
    mail = smtp_server.wait_for_mail(address)
    assert mail["To"] == address
    camille.type_code(code_in(plain(mail)))
    assert "Éducation nationale" in camille.page.text
    assert f'value="Camille {family.title()} [Rouen]"' in camille.page.text
    camille.choose()
    assert camille.page.url.endswith("/account/1/done")
    user_id = f"@camille.{family}-ac=2drouen.example:{synapse.server_name}"
    assert user_id in camille.page.text

    by_mail = {"type": "m.id.thirdparty", "medium": "email", "address": address}
    session = synapse.log_in(by_mail, PASSWORD).json()
    assert session["user_id"] == user_id
    threepids = synapse.call(
        "GET", "/_matrix/client/v3/account/3pid", token=session["access_token"]
    ).json()["threepids"]
    assert [(t["medium"], t["address"]) for t in threepids] == [("email", address)]
    smtp_server.wait_for_mail(address, number=3)  # that the code was used, and the welcome
    assert [mail for mail in smtp_server.to(address) if user_id in plain(mail)]

    # Asked once more, by anybody: the same page, and a mail that says an account is there.
    stranger = Person(web.url)
    stranger.ask(address)
    assert stranger.page.url.endswith("/check/1")
    wait_until_done(on_synapse)
    assert not [m for m in smtp_server.to(address)[3:] if "/v/" in plain(m)]


def test_a_homeserver_that_is_away_costs_no_new_proof(
    on_synapse, guichet_processes, smtp_server, synapse, address
):
    web = guichet_processes.web(on_synapse)
    guichet_processes.worker(on_synapse, "--concurrency", "2")
    guichet_processes.beat(on_synapse)
    camille = Person(web.url)
    camille.ask(address)
    camille.type_code(code_in(plain(smtp_server.wait_for_mail(address))))
    synapse.stop()
    camille.choose()
    assert camille.page.url.endswith("/account/1/waiting")
    synapse.start()
    ready = smtp_server.wait_for_mail(address, number=3)  # after "your code was used"
    camille.open(urlsplit(link_in(plain(ready))).path)
    camille.open("/account/1")
    camille.choose("another lamp beside the violet")
    assert camille.page.url.endswith("/account/1/done")
    by_mail = {"type": "m.id.thirdparty", "medium": "email", "address": address}
    assert synapse.log_in(by_mail, "another lamp beside the violet").status_code == 200
