"""`guichet mail pause`, `resume` and `paused`, as an operator types them."""

from datetime import timedelta

from identity.core.clock import utc_now
from tests.worlds.command_line import *

WHY = ("--reason", "their filter blocks us")


def test_a_pause_is_listed_and_ended(run):
    told = run.json("mail", "pause", "--domain", "Éducation.example", *WHY)
    assert (told["domain"], told["waiting"]) == ("xn--ducation-90a.example", 0)
    run("mail", "pause", "--kind", "invite", *WHY, "--dry-run")
    [shown] = run.json("mail", "paused")
    assert (shown["kind"], shown["domain"]) == ("", "xn--ducation-90a.example")
    assert "any" in run("mail", "paused").stdout
    assert run.json("mail", "resume", "--domain", "éducation.example", *WHY)["released"] == 0
    assert "Nothing is paused" in run("mail", "paused").stderr
    assert (
        "no pause of mails to"
        in run("mail", "resume", "--domain", "éducation.example", *WHY, ends=1).stderr
    )
    actions = [row["action"] for row in run.json("journal", "list", "--action", "mail")]
    assert actions == ["mail.resume", "mail.pause"]


def test_it_says_what_is_wrong(run):
    assert "name a kind" in run("mail", "pause", *WHY, ends=2).stderr
    assert "not a domain" in run("mail", "pause", "--domain", "a b", *WHY, ends=2).stderr
    run("mail", "pause", "--kind", "letter", *WHY, ends=2)
    run("mail", "pause", "--kind", "invite", ends=2)
    past = (utc_now() - timedelta(days=2)).date().isoformat()
    said = run("mail", "pause", "--kind", "invite", "--until", past, *WHY, ends=2).stderr
    assert "not in the future" in said
