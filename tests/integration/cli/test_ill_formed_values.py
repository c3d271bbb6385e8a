"""Values that are empty, too long, of another encoding or none at all: a sentence, and nothing is changed."""

from tests.worlds.command_line import *

WHY = ("--reason", "an incident")
SET = ("homeserver", "set", EDUCATION)


REFUSED = [
    ((*SET, "--url", ""), 1, "the URL must begin with"),
    ((*SET, "--url", "https://matrix.example/path"), 1, "have no path"),
    ((*SET, "--federation-url", ""), 1, "the federation URL must begin with"),
    ((*SET, "--client-url", ""), 1, "the client URL must begin with"),
    ((*SET, "--client-url", "javascript:alert(1)"), 1, "the client URL must begin with"),
    ((*SET, "--client-url", "https://a b.example"), 1, "the client URL must hold no blanks"),
    ((*SET, "--label", "Éducation\r\nBcc: eve@x.example"), 1, "one line"),
    ((*SET, "--label", "\x1b[2J"), 1, "one line"),
    ((*SET, "--label", "é" * 101), 1, "100 characters"),
    (
        ("homeserver", "add", "a.example", "--url", "https://a.example", "--label", "\n"),
        1,
        "one",
    ),
    (
        ("homeserver", "add", "a.example", "--url", "https://a.example", "--client-url", "x:y"),
        1,
        "the client URL",
    ),
    (("freeze", "mails", "--reason", ""), 2, "must not be empty"),
    (("freeze", "mails", "--reason", " \n"), 2, "must not be empty"),
    (("freeze", "mails", "--reason", "\x1b[2J"), 2, "control characters"),
    (("freeze", "mails", "--reason", "x" * 1001), 2, "1000 characters"),
    (("freeze", "mails", *WHY, "--author", " "), 2, "must not be empty"),
    (("homeserver", "suspend", EDUCATION, "--reason", ""), 2, "must not be empty"),
    (("inviter", "block", f"@a:{EDUCATION}", "--reason", ""), 2, "must not be empty"),
    (("guest", "end", "gil@asso.example", "--reason", ""), 2, "must not be empty"),
    (("person", "erase", "gil@asso.example", "--reason", ""), 2, "must not be empty"),
    (("mail", "pause", "--kind", "invite", "--domain", "", *WHY), 2, "not a domain"),
    (("mail", "resume", "--kind", "invite", "--domain", "", *WHY), 2, "not a domain"),
    (("guest", "extend", f"@a:{GUESTS}", "--until", "9999-12-31", *WHY), 2, "too far"),
]


def test_a_value_that_is_none_changes_nothing(federation):
    before = federation.json("homeserver", "list"), federation.json("journal", "list")
    for words, ends, said in REFUSED:
        assert said in " ".join(federation(*words, ends=ends).stderr.split()), words
    assert (federation.json("homeserver", "list"), federation.json("journal", "list")) == before
    assert federation.json("freeze", "list") == federation.json("mail", "paused") == []


def test_a_file_that_only_looks_like_a_certificate_is_refused(federation):
    text = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n"
    told = federation(*SET, "--ca-file", federation.file("ca.pem", text), ends=1)
    assert "no certificate" in told.stderr
    assert not federation.json("homeserver", "show", EDUCATION)["private_ca"]


def test_words_of_another_encoding_are_refused_with_a_sentence(run):
    """As a terminal in Latin-1 sends them, and Python reads them."""
    word = "arrêt".encode("latin-1").decode(errors="surrogateescape")
    assert "is not UTF-8" in run("freeze", "mails", "--reason", word, ends=2).stderr
    assert "is not UTF-8" in run("inviter", "unblock", f"@{word}:{EDUCATION}", ends=2).stderr
    assert run.json("freeze", "list") == []


def test_a_pause_ends_as_people_say_it(federation):
    """In the same words as a freeze."""
    told = federation.json("mail", "pause", "--kind", "invite", "--until", "2h", *WHY)
    assert told["until"]
    federation("mail", "pause", "--kind", "invite", "--until", "2001-01-01", *WHY, ends=2)


def test_nobody_becomes_an_agent_by_the_class_of_a_homeserver_against_the_rules(federation):
    """The default rule makes guests of strangers there."""
    to_agent = ("homeserver", "set", GUESTS, "--class-source", "agent")
    told = federation(*to_agent, ends=1).stderr
    assert "rules make guests there (default)" in told
    federation("domain", "add", "ac-rouen.example", "--homeserver", EDUCATION)
    told = federation(*SET, "--guests", ends=1).stderr
    assert "rules make agents there (domain:ac-rouen.example)" in told
    for name in (GUESTS, EDUCATION):
        told = federation.json("homeserver", "set", name, "--class-source", "by_person")
        assert told["homeserver"]["class_source"] == "by_person"
    federation("homeserver", "add", "empty.example", "--url", "https://e.example", "--guests")
    federation("homeserver", "set", "empty.example", "--class-source", "agent")
