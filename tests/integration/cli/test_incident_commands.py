"""`guichet freeze`, `thaw`, `inviter` and `homeserver set, hold, …`, as an operator types them at night."""

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from identity.accounts.models import Account
from identity.core.clock import utc_now
from identity.core.journal import Actor
from identity.homeservers import changing, models as homeservers
from identity.homeservers.changing import Keys
from identity.homeservers.secrets import open_secret
from identity.homeservers.service import WrongHomeserver
from identity.mail.models import Mail
from identity.operators.notices import OperatorNotice
from identity.services import build_worker_services
from identity.settings import read_settings
from tests.worlds.command_line import *
from tests.worlds.command_line import EDUCATION, GUESTS

WHY = ("--reason", "ticket 7")
ZOE = f"@zoe:{EDUCATION}"


def newest(run, action):
    [row] = run.json("journal", "list", "--action", action, "--limit", "1")
    return row


def test_everything_is_frozen_and_thawed_by_one_word_each(run):
    frozen = run.json("freeze", "all", *WHY)["freezes"]
    assert [each["what"] for each in frozen] == ["sign-ups", "invitations", "mails"]
    listed = run.json("freeze", "list")
    assert {each["reason"] for each in listed} == {"ticket 7"}
    assert len(listed) == 3
    run("freeze", "domain", "@Éxemple.fr", "--until", "2h", *WHY)
    assert run.json("thaw", "invitations")["freezes"][1]["what"] == "mails"
    told = run("thaw", "all")
    assert "Still frozen: domain xn--xemple-9ua.fr" in told.stderr
    run("thaw", "domain", "éxemple.fr")
    assert run.json("freeze", "list") == []
    assert "Nothing is frozen" in run("freeze", "list").stderr
    run("journal", "verify")


def test_a_dry_run_freezes_and_thaws_nothing(run):
    assert run.json("freeze", "mails", "--dry-run", *WHY)["freezes"]
    assert run.json("freeze", "list") == []
    run("freeze", "mails", *WHY)
    run("thaw", "mails", "--dry-run")
    assert len(run.json("freeze", "list")) == 1


def test_who_freezes_what_another_has_frozen_reads_whose_end_they_replace(run):
    run("freeze", "all", "--author", "ada", "--reason", "stolen passwords")
    told = run("freeze", "mails", *WHY, "--until", "1h").stderr
    assert "mails was frozen already, until it is thawed, by ada: stolen passwords" in told
    assert "already" not in run("freeze", "domain", "x.example", *WHY).stderr


def test_thawing_what_is_not_frozen_is_an_error_that_says_so(run):
    assert "mails: not frozen" in run("thaw", "mails", ends=1).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("freeze", "mails"),  # without a reason
        ("freeze", "mails", *WHY, "--until", "yesterday"),
        ("freeze", "mails", *WHY, "--until", "2001-01-01"),
        ("freeze", "mails", *WHY, "--until", "9999-12-31T23:59"),
        ("freeze", "mails", *WHY, "--until", "0m"),
        ("freeze", "rain", *WHY),
    ],
)
def test_what_makes_no_freeze_is_refused_with_a_sentence(run, words):
    assert run(*words, ends=2).stderr
    assert run.json("freeze", "list") == []


def test_a_domain_that_is_none_is_refused(run):
    assert "is no domain" in run("freeze", "domain", "a b", *WHY, ends=1).stderr


@pytest.mark.parametrize("until", ["90m", "4h", "2d", "18:00", "2099-03-01T18:00", "2099-03-01"])
def test_an_end_can_be_given_as_people_say_it(run, until):
    if until.startswith("2099"):
        run("freeze", "mails", *WHY, "--until", until, ends=2)  # ten years are enough
    else:
        assert run.json("freeze", "mails", *WHY, "--until", until)["freezes"][0]["until"]


def test_an_inviter_is_blocked_listed_and_unblocked(federation):
    done = federation.json("inviter", "block", ZOE, f"@ada:{EDUCATION}", *WHY, "--until", "1d")
    assert [each["user_id"] for each in done["blocked"]] == [ZOE, f"@ada:{EDUCATION}"]
    assert len(federation.json("inviter", "list")) == 2
    federation("inviter", "unblock", ZOE)
    assert "not blocked" in federation("inviter", "unblock", ZOE, ends=1).stderr
    [row] = federation.json("journal", "list", "--about", ZOE, "--action", "inviter.unblock")
    assert row == newest(federation, "inviter.unblock")
    assert federation.json("journal", "list", "--about", f"@eve:{EDUCATION}") == []
    assert ZOE not in federation("journal", "list", "--json").stdout


@pytest.mark.parametrize("user_id", ["zoe", "@zoe", "@zoe:elsewhere.example", "@zoé:x y"])
def test_a_misspelt_inviter_blocks_nobody_of_all_that_were_named(federation, user_id):
    assert "no user ID" in federation("inviter", "block", ZOE, user_id, *WHY, ends=1).stderr
    assert federation.json("inviter", "list") == []


def test_a_homeserver_is_changed_and_the_journal_has_before_and_after(federation):
    url = "https://new.education.example"
    told = federation.json(
        *("homeserver", "set", EDUCATION, "--url", url + "/", "--label", "Éducation"),
        *("--federation-url", "https://fed.example", "--class-source", "by_person", *WHY),
    )
    assert told["changed"]["url"] == {"before": "https://matrix.education.example", "after": url}
    assert federation.json("homeserver", "show", EDUCATION)["class_source"] == "by_person"
    federation("homeserver", "set", EDUCATION, "--clear", "federation-url")
    assert federation.json("homeserver", "show", EDUCATION)["federation_url"] is None
    row = newest(federation, "homeserver.set")
    assert row["facts"] == {"federation_url": {"before": "https://fed.example", "after": None}}


def test_a_dry_run_changes_no_homeserver(federation):
    before = federation.json("homeserver", "show", EDUCATION)
    federation("homeserver", "set", EDUCATION, "--label", "Other", "--dry-run")
    assert federation.json("homeserver", "show", EDUCATION) == before


@pytest.mark.parametrize(
    ("words", "ends", "said"),
    [
        (("--url", "ftp://x"), 1, "must begin with http"),
        (("--name", "other.example"), 3, "cannot be changed: its users' IDs end in it"),
        (("--user-id-scheme", "random"), 3, "two people could get the same ID"),
        (("--connector", "synapse"), 1, "needs both"),
        ((), 2, "at least one value"),
        (("--label", " "), 1, "not empty"),
        (("--guests", "--class-source", "agent"), 2, "give one of the two"),
        (("--label", EDUCATION), 1, "so already"),
        (("--client-url", "https://a.example", "--clear", "client-url"), 2, "both given"),
    ],
)
def test_what_cannot_be_changed_says_why(federation, words, ends, said):
    before = federation.json("homeserver", "show", EDUCATION)
    assert said in federation("homeserver", "set", EDUCATION, *words, ends=ends).stderr
    assert federation.json("homeserver", "show", EDUCATION) == before


def test_a_misspelt_homeserver_is_named_with_what_it_resembles(federation):
    for verb in ("release", "resume", "retire", "reinstate", "remove"):
        told = federation("homeserver", verb, "educaton.example", ends=1).stderr
        assert f"Close names: {EDUCATION}" in told


@pytest.fixture
def secrets(federation):
    return (
        *("--registration-secret-file", federation.file("secret", "of registration")),
        *("--admin-token-file", federation.file("token", "of an administrator")),
    )


def opened_secret(opened, tmp_path):
    worker = build_worker_services(read_settings(data_dir=tmp_path, _env_file=None))
    with opened.reading() as session:
        row = homeservers.find(session, EDUCATION)
        return open_secret(worker.vault, worker.private_halves, row, "admin_token")


def test_secrets_are_given_later_follow_a_new_url_and_are_never_shown(
    federation, opened, secrets, tmp_path
):
    set_ = ("homeserver", "set", EDUCATION)
    federation(*set_, "--connector", "synapse", *secrets)
    federation(*set_, "--url", "https://moved.example")
    assert opened_secret(opened, tmp_path) == SecretStr("of an administrator")
    shown = (
        federation("journal", "list", "--json").stdout + federation(*set_, "--label", "x").output
    )
    assert "of an administrator" not in shown
    assert "of registration" not in shown
    federation(*set_, "--connector", "none")
    assert federation.json("homeserver", "show", EDUCATION)["has_secrets"] is False


def test_without_the_private_key_a_new_url_needs_the_secrets_anew(
    federation, opened, secrets, tmp_path
):
    federation("homeserver", "set", EDUCATION, "--connector", "synapse", *secrets)
    worker = build_worker_services(read_settings(data_dir=tmp_path, _env_file=None))
    keys = Keys(worker.vault, worker.public_half)  # as the web and most commands have them
    wanted = {"url": "https://moved.example"}
    given = dict.fromkeys(("registration_secret", "admin_token"), SecretStr("given anew"))

    def change(wanted):
        with opened.transaction() as session:
            changing.change(session, utc_now(), Actor("Olga", ""), EDUCATION, wanted, keys=keys)

    with pytest.raises(WrongHomeserver, match="--registration-secret-file and --admin-token-file"):
        change(wanted)
    change(wanted | given)
    assert opened_secret(opened, tmp_path) == SecretStr("given anew")
    worker.database.engine.dispose()


def test_the_state_of_a_homeserver_is_listed_and_undone(federation):
    federation("homeserver", "hold", EDUCATION, "--until", "2h", *WHY)
    federation("homeserver", "suspend", EDUCATION, *WHY)
    federation("homeserver", "retire", EDUCATION)
    shown = federation.json("homeserver", "show", EDUCATION)
    assert shown["state"] == "suspended, held, retired"
    assert shown["held_until"]
    assert "suspended, held, retired" in federation("homeserver", "list").stdout
    for verb in ("release", "resume", "reinstate"):
        federation("homeserver", verb, EDUCATION)
        assert "nothing was changed" in federation("homeserver", verb, EDUCATION, ends=1).stderr
    assert federation.json("homeserver", "show", EDUCATION)["state"] == "open"


def test_retiring_names_the_rules_that_lead_there(federation):
    federation("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    assert federation.json("homeserver", "retire", EDUCATION)["rules"] == ["ac-rouen.example"]
    assert federation.json("homeserver", "retire", GUESTS)["rules"] == ["the default rule"]


def test_a_homeserver_is_removed_once_nothing_depends_on_it(federation, opened):
    federation("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    with opened.transaction() as session:
        session.add(
            Account(
                address="ana@ac-rouen.example",
                user_id=f"@ana:{EDUCATION}",
                homeserver=EDUCATION,
                account_class="agent",
                display_name="Ana",
                language="fr",
                state="ready",
                creation_mark="",
                created_at=utc_now(),
            )
        )
    refused = federation("homeserver", "remove", EDUCATION, ends=3).stderr
    assert "rules that lead there: 1 (ac-rouen.example)" in refused
    assert "accounts there: 1" in refused
    with opened.transaction() as session:
        session.delete(session.query(Account).one())
    federation("domain", "remove", "ac-rouen.example")
    federation("homeserver", "remove", EDUCATION, "--dry-run")
    assert len(federation.json("homeserver", "list")) == 2
    federation("homeserver", "remove", EDUCATION)
    assert [each["name"] for each in federation.json("homeserver", "list")] == [GUESTS]
    assert newest(federation, "homeserver.remove")["subject"] == EDUCATION


def test_doctor_names_what_is_stopped_and_how_it_goes_on(federation):
    federation("freeze", "mails", *WHY)
    federation("freeze", "domain", "asso.example", *WHY)
    federation("inviter", "block", ZOE, *WHY)
    federation("homeserver", "hold", EDUCATION, *WHY)
    federation("homeserver", "suspend", GUESTS, *WHY)
    federation("homeserver", "retire", GUESTS)
    found = federation.json("doctor")
    fixes = {each["fix"] for each in found}
    assert {
        "guichet thaw mails",
        "guichet thaw domain asso.example",
        "guichet inviter list",
        f"guichet homeserver release {EDUCATION}",
        f"guichet homeserver resume {GUESTS}",
    } <= fixes
    assert any("retired; addresses of rules that lead there" in each["told"] for each in found)
    assert not any("does not answer as it should" in each["told"] for each in found)


def test_operators_are_mailed_what_was_stopped_by_command(federation, opened):
    federation("ops", "add", "ada@ops.example", "--role", "admin", *WHY)
    for words in (
        ("freeze", "all"),
        ("inviter", "block", ZOE),
        ("homeserver", "hold", EDUCATION),
        ("homeserver", "suspend", EDUCATION),
        ("freeze", "mails", "--dry-run"),
    ):
        federation(*words, *WHY)
    with opened.reading() as session:
        told = session.scalars(select(OperatorNotice).order_by(OperatorNotice.at)).all()
        ordered = session.scalars(select(Mail).where(Mail.template == "operator_notice")).all()
    assert [each.detail for each in told] == [
        "sign-ups invitations mails",
        f"inviter @z•••:{EDUCATION}",
        *(EDUCATION, EDUCATION),
    ]
    assert {each.address for each in ordered} == {"ada@ops.example"}
    assert len(ordered) == len(told)
