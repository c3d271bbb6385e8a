"""Complaints as providers write them: with the sender in a field of their own, or only in the mail they bring back."""

import pytest

from identity.mail import bounces
from tests.worlds.mail_reports import feedback

SENDER = "b+aaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbb@bounce.example"


def read(raw):
    message = bounces.parse_message(raw)
    return bounces.is_complaint(message), [
        each for each in bounces.envelope_senders_of(message) if each
    ]


@pytest.mark.parametrize("returned", sorted(bounces.RETURNED))
def test_the_sender_stands_in_the_mail_that_comes_back(returned):
    assert read(feedback(SENDER, returned=returned)) == (True, [f"<{SENDER}>"])


def test_the_field_for_it_comes_first():
    field = f"Original-Mail-From: <{SENDER}>\n"
    assert read(feedback("x@y.example", field=field)) == (
        True,
        [f"<{SENDER}>", "<x@y.example>"],
    )


@pytest.mark.parametrize(
    ("kind", "is_one"),
    [("Abuse", True), ("fraud", True), ("opt-out", True), ("not-spam", False), ("dkim", False)],
)
def test_what_was_wanted_is_no_complaint(kind, is_one):
    assert read(feedback(SENDER, kind=kind))[0] is is_one


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"Subject: Feedback-Type: abuse\n\nFeedback-Type: abuse\n",
        feedback(SENDER).replace(b"report-type=feedback-report", b"report-type=delivery-status"),
        feedback(SENDER).replace(b"multipart/report", b"multipart/mixed"),
        feedback(SENDER).replace(b"--part", b"--other"),
    ],
)
def test_what_only_looks_like_one_is_none(raw):
    assert read(raw) == (False, [])


def test_a_complaint_inside_the_mail_that_comes_back_does_not_count():
    inner = feedback(SENDER).decode().replace("--part", "--inner").replace('"part"', '"inner"')
    assert read(feedback(SENDER, kind="not-spam", mail=inner))[0] is False
