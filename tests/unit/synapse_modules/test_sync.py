"""What Guichet tells is kept in Synapse's database, taken up in every process, and never goes backwards."""

import pytest
from prometheus_client import REGISTRY

from domain_rules.synapse_modules.configuration import ClassSource
from tests.services.told_guichet import told_rule
from tests.worlds.module_synapse import (
    AGENTS,
    ANA,
    DEFAULT_RULE,
    GIL,
    GUESTS,
    MIA,
    MIXED,
    OPEN_RULE,
    OTHER,
    Process,
    Synapse,
    Told,
    process,
    run,
)

ODA = f"@oda:{OTHER}"


def levels(caplog) -> list[str]:
    """Of what the module said, oldest first."""
    return [record.levelname for record in caplog.records if record.name.startswith("domain_rules")]


def test_the_server_decides_who_is_a_guest():
    there = process(AGENTS)
    assert there.is_agent(ANA)
    assert not there.is_agent(GIL)
    assert not there.is_agent("@anybody:elsewhere.example")


def test_what_was_told_is_known_by_its_names():
    cache = process(GUESTS, identity_servers=frozenset({"alias.example"})).cache
    assert cache.own_name == GUESTS
    assert cache.user_id_scheme == "random"
    assert cache.guichet_keys == {"ed25519:1": "key"}
    assert cache.identity_servers == {"guichet.example", "alias.example"}
    assert cache.class_of_server(MIXED) == "by_person"
    assert cache.class_of_server("elsewhere.example") is None
    assert cache.decide("Camille@sd.interieur.example").organisation == "Intérieur"
    assert cache.decide("Camille <camille@interieur.example>") is None


def test_an_unchanged_revision_is_not_sent_again_and_still_renews_the_age():
    there = process(AGENTS)
    there.poll(seconds=100)
    there.reload()
    assert [tag is None for path, tag in there.told.asked if path == "/rules"] == [
        True,
        False,
    ]
    assert there.cache.age_seconds == pytest.approx(2)


def test_what_a_process_was_told_is_not_read_once_more_and_every_other_reads_it():
    there = process(AGENTS)
    there.told.publish(DEFAULT_RULE)
    there.poll()
    assert there.cache.snapshot.revision == there.told.revision
    assert "guichet_body" not in there.synapse.transactions
    other = Process(Synapse(AGENTS, there.synapse.database, is_main=False), there.told).begin()
    assert other.synapse.transactions.count("guichet_body") == 1
    assert other.cache.snapshot == there.cache.snapshot


def test_a_process_that_starts_while_guichet_is_away_goes_on_with_the_last_good_copy():
    first = process(AGENTS)
    first.told.is_away = True
    again = Process(Synapse(AGENTS, first.synapse.database), first.told).begin()
    assert again.is_agent(ANA)
    assert not again.is_agent(GIL)
    assert again.cache.is_known


def test_the_copy_serves_however_old_it_is_and_after_a_week_it_is_called_a_fault(caplog):
    there = process(AGENTS)
    there.told.is_away = True
    there.poll(seconds=3600)
    assert set(levels(caplog)) == {"WARNING"}
    there.poll(seconds=30 * 24 * 3600)
    assert levels(caplog)[-1] == "ERROR"
    assert REGISTRY.get_sample_value("guichet_rules_too_old") == 1
    assert there.is_agent(ANA)
    assert there.cache.age_seconds > 30 * 24 * 3600


def test_before_guichet_was_ever_heard_everybody_is_a_guest_and_hears_why():
    told = Told(AGENTS, is_away=True)
    there = Process(Synapse(AGENTS), told).begin()
    assert not there.is_agent(ANA)
    assert not there.cache.is_class_known(ANA)
    assert there.cache.decide("ana@interieur.example") is None
    assert there.cache.age_seconds == float("inf")


def test_before_guichet_was_ever_heard_the_configuration_may_say_what_the_homeserver_is():
    told = Told(AGENTS, is_away=True)
    there = Process(Synapse(AGENTS), told, class_source=ClassSource.AGENT).begin()
    assert there.is_agent(ANA)
    assert not there.is_agent(GIL)
    told.is_away, told.sources[AGENTS] = False, "guest"
    there.poll()
    assert not there.is_agent(ANA)


def test_a_lower_revision_of_the_same_epoch_is_not_taken():
    there = process(AGENTS)
    there.told.revision = 7
    there.poll()
    there.told.revision, there.told.sources = 6, {AGENTS: "guest"}
    there.poll()
    assert there.cache.rules.revision == 7
    assert there.is_agent(ANA)


def test_a_new_epoch_is_taken_whatever_its_revision():
    there = process(AGENTS)
    there.told.revision = 7
    there.poll()
    there.told.epoch, there.told.revision, there.told.sources = "second", 1, {AGENTS: "guest"}
    there.poll()
    assert there.cache.rules.revision == 1
    assert not there.is_agent(ANA)


@pytest.mark.parametrize("raw", [{}, [], {"epoch": "x"}, {"rules": 3}, "text"])
def test_an_answer_that_makes_no_sense_changes_nothing(raw):
    there = process(AGENTS)
    there.told.raw = raw
    there.poll()
    assert there.is_agent(ANA)


def test_the_rules_of_another_homeserver_are_not_taken():
    there = Process(Synapse(AGENTS), Told(GUESTS)).begin()
    assert not there.cache.is_known


def test_other_processes_take_up_what_one_has_stored():
    main = process(AGENTS)
    worker = Process(Synapse(AGENTS, main.synapse.database, is_main=False), main.told).begin()
    asked = len(main.told.asked)
    main.told.publish(DEFAULT_RULE)
    main.poll()
    worker.reload()
    assert worker.cache.rules.revision == 2
    assert "guichet_refresh" not in worker.synapse.loops
    assert len([path for path, _ in main.told.asked[asked:] if path == "/rules"]) == 1


def test_a_validity_that_begins_is_in_force_by_itself():
    there = process(AGENTS)
    at = "2027-01-16T08:00:00+00:00"
    later = told_rule("domain", "asso.example", "agent", AGENTS, valid_from=at)
    there.synapse.now = 1_800_000_000_000  # 15 January 2027, 8 o'clock
    there.told.publish(OPEN_RULE, DEFAULT_RULE, later)
    there.poll()
    assert there.cache.decide("gil@asso.example").account_class.value == "guest"
    there.told.is_away = True
    there.reload(seconds=24 * 3600)
    assert there.cache.decide("gil@asso.example").account_class.value == "agent"


def test_on_a_homeserver_of_both_a_person_is_an_agent_as_soon_as_an_agents_address_is_there():
    there = process(MIXED)
    assert not there.is_agent(MIA)
    there.synapse.attach(MIA, "mia@asso.example")
    assert not there.is_agent(MIA)
    there.synapse.attach(MIA, "mia@interieur.example")
    assert there.is_agent(MIA)
    there.synapse.detach(MIA, "mia@interieur.example")
    assert not there.is_agent(MIA)


def test_who_was_there_before_the_module_is_judged_too():
    synapse = Synapse(MIXED)
    synapse.has_address(MIA, "mia@interieur.example")
    assert Process(synapse, Told(MIXED)).begin().is_agent(MIA)


def test_other_processes_see_an_address_that_one_was_told_of():
    main = process(MIXED)
    worker = Process(Synapse(MIXED, main.synapse.database, is_main=False), main.told).begin()
    main.synapse.attach(MIA, "mia@interieur.example")
    assert not worker.is_agent(MIA)
    worker.reload()
    assert worker.is_agent(MIA)
    main.synapse.detach(MIA, "mia@interieur.example")
    worker.reload()
    assert not worker.is_agent(MIA)


def test_a_domain_that_is_opened_makes_its_people_agents_without_a_restart():
    there = process(MIXED)
    there.synapse.attach(MIA, "mia@asso.example")
    there.told.publish(told_rule("domain", "asso.example", "agent", MIXED), DEFAULT_RULE)
    there.poll()
    assert there.is_agent(MIA)


def test_on_a_homeserver_of_guests_they_stay_guests():
    there = process(GUESTS)
    there.synapse.attach(GIL, "gil@interieur.example")
    there.told.publish(told_rule("domain", "interieur.example", "agent", GUESTS))
    there.poll()
    assert not there.is_agent(GIL)


def test_agents_of_a_homeserver_of_both_come_by_the_feed():
    there = process(AGENTS)
    assert not there.is_agent(ODA)
    there.told.agents, there.told.number = [ODA], 2
    there.poll()
    assert there.is_agent(ODA)
    there.told.agents, there.told.removed, there.told.number = [], [ODA], 3
    there.poll()
    assert not there.is_agent(ODA)


def test_the_feed_is_read_from_where_it_was_left_and_again_after_a_restart():
    there = process(AGENTS)
    there.told.agents, there.told.number = [ODA], 2
    there.poll()
    there.told.is_away = True
    again = Process(Synapse(AGENTS, there.synapse.database), there.told).begin()
    assert again.is_agent(ODA)
    assert [path for path, _ in there.told.asked if "agents" in path] == [
        "/agents?since=0",
        "/agents?since=1",
    ]


def test_a_new_epoch_of_the_feed_replaces_everybody():
    there = process(AGENTS)
    there.told.agents, there.told.number = [ODA], 2
    there.poll()
    there.told.epoch, there.told.number, there.told.agents = "second", 1, [f"@new:{OTHER}"]
    there.poll()
    assert not there.is_agent(ODA)
    assert there.is_agent(f"@new:{OTHER}")


def test_the_class_of_a_distant_person_is_unsure_when_the_feed_is_old():
    there = process(AGENTS)
    assert there.cache.is_class_known(ODA)
    there.told.is_away = True
    there.poll(seconds=61)
    assert not there.cache.is_class_known(ODA)
    assert there.cache.is_class_known(GIL)


def test_a_homeserver_without_others_of_both_does_not_ask_for_agents():
    told = Told(AGENTS, sources={AGENTS: "agent", GUESTS: "guest"})
    Process(Synapse(AGENTS), told).begin()
    assert [path.partition("?")[0] for path, _ in told.asked] == ["/rules"]


def test_exempt_accounts_and_administrators_count_as_agents():
    there = process(GUESTS, exempt=frozenset({GIL}))
    boss = f"@boss:{GUESTS}"
    assert there.is_agent(GIL)
    assert not run(there.cache.is_exempt_now(boss))
    there.synapse.database.execute("INSERT INTO users VALUES (?, 1)", (boss,))
    assert run(there.cache.is_exempt_now(boss))
    assert there.is_agent(boss)


def test_nobody_is_asked_about_who_is_exempt_or_lives_elsewhere():
    there = process(GUESTS, exempt=frozenset({GIL}))
    run(there.cache.is_exempt_now(GIL))
    run(there.cache.is_exempt_now(ANA))
    assert there.synapse.asked_about == []
