"""Addresses in settings: they come to the form the wire needs, or are refused with an example."""

from email.header import decode_header, make_header

import pytest

from domain_rules.mailboxes import address_of, read_mail_domain, read_mailbox, with_name


@pytest.mark.parametrize(
    ("written", "wire"),
    [
        ("Guichet <bonjour@example.org>", "Guichet <bonjour@example.org>"),
        ("bonjour@example.org", "bonjour@example.org"),
        ("<bonjour@example.org>", "bonjour@example.org"),
        ("  Guichet   <Bonjour@Example.ORG> ", "Guichet <Bonjour@example.org>"),
        ("bonjour@académie.example", "bonjour@xn--acadmie-eya.example"),
        ("bonjour@XN--ACADMIE-EYA.example", "bonjour@xn--acadmie-eya.example"),
        ("Guichet <bonjour@guichet.localhost>", "Guichet <bonjour@guichet.localhost>"),
        ("bonjour@mail.test", "bonjour@mail.test"),
        ("root@localhost", "root@localhost"),
        ("Rouen, l'accueil <a@example.org>", '"Rouen, l\'accueil" <a@example.org>'),
        ('"Rouen, accueil" <a@example.org>', '"Rouen, accueil" <a@example.org>'),
        ('"dit \\"le guichet\\"" <a@example.org>', '"dit \\"le guichet\\"" <a@example.org>'),
        ("Eve <eve@evil.example> <a@example.org>", '"Eve <eve@evil.example>" <a@example.org>'),
        ("Académie <a@example.org>", "=?utf-8?b?QWNhZMOpbWll?= <a@example.org>"),
        ("=?utf-8?q?Acad=C3=A9mie?= <a@example.org>", "=?utf-8?b?QWNhZMOpbWll?= <a@example.org>"),
        (
            "=?iso-8859-1?q?Acad=E9mie?= <a@example.org>",
            "=?utf-8?b?QWNhZMOpbWll?= <a@example.org>",
        ),
    ],
)
def test_a_mailbox_comes_to_the_form_a_header_has(written, wire):
    assert read_mailbox(written) == wire
    assert read_mailbox(wire) == wire


@pytest.mark.parametrize("name", ["Académie de Rouen " * 4, "é" * 78, "Rouen, l’accueil", "a" * 78])
def test_any_name_is_read_back_as_it_was_written(name):
    wire = read_mailbox(f"{name} <a@example.org>")
    assert wire.isascii()
    phrase, _, address = wire.rpartition(" ")
    assert str(make_header(decode_header(phrase))) == " ".join(name.split())
    assert address == "<a@example.org>"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "Guichet",
        "Guichet <>",
        "@example.org",
        "a@b@example.org",
        "a b@example.org",
        "a%evil.com@example.org",
        "évelyne@example.org",
        "-a@example.org",
        '"a b"@example.org',
        "a@example.org, b@example.org",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@exa mple.org",
        "a@-example.org",
        "a@example",
        "a@example..org",
        f"a@{'b.' * 120}org",
        "Guichet\r\nBcc: eve@evil.example <a@example.org>",
        "=?utf-8?q?x=0d=0aBcc=3a_e?= <a@example.org>",
        "=?nothing?q?x?= <a@example.org>",
        "=?utf-8?b?eA <a@example.org>",
        f"{'x' * 79} <a@example.org>",
        "Guichet <a@example.org",
    ],
)
def test_what_cannot_stand_on_the_wire_is_refused(written):
    with pytest.raises(ValueError, match="example"):
        read_mailbox(written)


def test_a_mailbox_without_a_name_gets_the_services():
    assert with_name("a@example.org", "Tchap, l’accueil").startswith("=?utf-8?")
    assert with_name("Guichet <a@example.org>", "Tchap") == "Guichet <a@example.org>"
    assert (
        address_of(with_name("a@example.org", "Tchap"))
        == "a@example.org"
        == address_of("a@example.org")
    )


@pytest.mark.parametrize(
    ("written", "domain"),
    [
        ("Bounce.Example.org", "bounce.example.org"),
        ("retours.académie.example", "retours.xn--acadmie-eya.example"),
        ("bounce.test", "bounce.test"),
        ("bounce.example.org.", "bounce.example.org"),
    ],
)
def test_a_domain_comes_to_its_a_label(written, domain):
    assert read_mail_domain(written) == domain


@pytest.mark.parametrize(
    "written", ["", "a@b.example", "127.0.0.1", "[::1]", "a b", "x" * 64 + ".org", "é" * 90]
)
def test_what_is_no_domain_is_refused(written):
    with pytest.raises(ValueError, match=r"for example bounce\.example\.org"):
        read_mail_domain(written)


def test_an_address_of_254_characters_is_taken_and_a_longer_one_is_not():
    domain = ".".join(["d" * 60] * 3) + ".example"
    longest = "a" * (254 - len(domain) - 1) + "@" + domain
    assert read_mailbox(longest) == longest
    with pytest.raises(ValueError, match="is too long"):
        read_mailbox("a" + longest)
