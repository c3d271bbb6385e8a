"""Whatever else than a right answer of a browser comes: no passkey is added by it, and nobody is let in."""

import json
import sys
from datetime import UTC, datetime

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st

from identity.operators.passkeys import ceremonies, models as stored, service as passkeys
from identity.operators.passkeys.models import Ceremony
from identity.operators.passkeys.service import Answer
from identity.operators.passkeys.site import Site, offered_at
from tests.worlds.authenticators import PRESENT, Passkey, from_base64, to_base64
from tests.worlds.passkeys import *

OTHER = Passkey(ec.generate_private_key(ec.SECP256R1()), bytes(16), "localhost")


@pytest.fixture
def database_url(sqlite_url) -> str:
    return sqlite_url  # what is stored is tried on both databases in test_passkeys.py


def test_options_tell_nobody_who_is_an_operator_and_demand_a_finger_face_or_pin(her_desk, ada):
    options = her_desk.options_to_prove(her_desk.asked(Ceremony.SIGN_IN))
    challenge = options.pop("challenge")
    assert len(challenge) == 43
    assert options == {
        "rpId": "localhost",
        "allowCredentials": [],
        "userVerification": "required",
        "timeout": 300_000,
    }
    adding = her_desk.options_to_add(ada, her_desk.asked(Ceremony.ADD))
    chosen = adding["authenticatorSelection"]
    assert (chosen["residentKey"], chosen["userVerification"]) == ("required", "required")
    assert (adding["rp"]["id"], adding["attestation"]) == ("localhost", "none")
    assert (adding["user"]["name"], "ops.example" in json.dumps(adding)) == ("Ada", False)
    assert len(adding["excludeCredentials"]) == 1


WRONG = {
    "another site": {"origin": "https://localhost.evil.example"},
    "another port": {"origin": "http://localhost:8091"},
    "with TLS": {"origin": "https://localhost:8090"},
    "another domain's passkey": {"rp_id": "evil.example"},
    "a challenge of their own": {"challenge": "A" * 43},
    "no user verified": {"flags": PRESENT},
    "nobody there": {"flags": 0x04},
    "made and not used": {"type": "webauthn.create"},
    "signed by another key": {"signer": OTHER},
    "somebody else's handle": {"user_handle": bytes(16)},
    "no handle": {"user_handle": None},
    "inside of another site": {"framed": True},
    "an unknown passkey": {"named": bytes(32)},
}


def test_a_wrong_answer_lets_nobody_in_and_uses_its_challenge_up(her_desk):
    answers = {}
    for what, wrong in WRONG.items():
        asked = her_desk.asked(Ceremony.SIGN_IN)
        options = her_desk.options_to_prove(asked)
        sent = [her_desk.authenticator.get(options, **wrong), her_desk.authenticator.get(options)]
        answers[what] = [her_desk.send(each, asked).answer for each in sent]
    both, first = [Answer.WRONG, Answer.WRONG], [Answer.WRONG, Answer.RIGHT]
    # These are not read as far as the challenge, or name another one.
    unused = {"a challenge of their own", "inside of another site"}
    assert answers == {what: first if what in unused else both for what in WRONG}


NO_ANSWERS = (
    *("", "no JSON", "[]", "{}", '{"id": 1, "response": {}}', "[" * 9000, "x" * 30_000),
    *('{"id": "A", "response": {"clientDataJSON": "!"}}', '{"response": []}', "\ud800"),
    '{"id": "A", "response": {"clientDataJSON": "e30"}}',
)


def test_what_is_no_answer_and_what_no_database_takes_lets_nobody_in(her_desk):
    asked, sent = her_desk.asked(Ceremony.SIGN_IN), list(NO_ANSWERS)
    for name in ("\0", "\ud800", "A" * 2000, "é", 5):
        right = json.loads(her_desk.authenticator.get(her_desk.options_to_prove(asked)))
        sent.append(json.dumps(right | {"id": name}))
    assert {her_desk.send(each, asked) for each in sent} == {passkeys.WRONG}
    assert her_desk.sign_in().answer is Answer.RIGHT


def certificate_of(maker: Passkey) -> bytes:
    """A certificate of the maker of authenticators, which holds for ever."""
    named = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Maker")])
    made = x509.CertificateBuilder(named, named, maker.key.public_key(), 1)
    made = made.not_valid_before(datetime(2000, 1, 1, tzinfo=UTC))
    made = made.not_valid_after(datetime(2100, 1, 1, tzinfo=UTC))
    return made.sign(maker.key, SHA256()).public_bytes(Encoding.DER)


UNFIT = {
    "another site": {"origin": "https://evil.example"},
    "another domain": {"rp_id": "evil.example"},
    "a challenge of their own": {"challenge": "A" * 43},
    "no user verified": {"flags": PRESENT},
    "nobody there": {"flags": 0x04},
    "inside of another site": {"framed": True},
    "another name": {"named": bytes(32)},
    "vouched for by its maker": {
        "fmt": "packed",
        "statement": {"x5c": [certificate_of(OTHER)]},
        "voucher": OTHER,
    },
    "vouched for by another key": {"fmt": "packed", "statement": {"alg": -7, "sig": b"x"}},
    "an unknown statement": {"fmt": "tpm"},
    "a statement that is none": {"fmt": [1]},
    "no key": {"cose": cbor2.dumps({})},
    "a number for a key": {"cose": cbor2.dumps(4)},
    "a point off the curve": {
        "cose": cbor2.dumps({1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)})
    },
    "an algorithm that was not offered": {
        "cose": cbor2.dumps({1: 2, 3: -36, -1: 1, -2: bytes(32), -3: bytes(32)})
    },
    "a name that is too long": {"credential_id": bytes(1100)},
}


def test_a_passkey_that_is_not_fit_is_not_added(desk, services, ada, apps):
    apps.enrol(ada)
    added = {what: desk.add(ada, **wrong) for what, wrong in UNFIT.items()}
    assert added == dict.fromkeys(UNFIT)
    with services.database.reading() as session:
        assert stored.find_of(session, ada.id) == []
    assert desk.add(ada) is not None


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://guichet.example", Site("guichet.example", "https://guichet.example", "")),
        ("https://guichet.example:443", Site("guichet.example", "https://guichet.example", "")),
        ("https://a.example:8443", Site("a.example", "https://a.example:8443", "")),
        ("http://localhost:8090", Site("localhost", "http://localhost:8090", "")),
        *(
            ("http://127.0.0.1:8090", None),
            ("http://[::1]:8090", None),
            ("https://192.0.2.1", None),
        ),
    ],
)
def test_passkeys_are_offered_where_browsers_make_some(url, site):
    found = offered_at(url, "Guichet")
    known = (site.rp_id, site.origin) if site else None
    assert (found and (found.rp_id, found.origin)) == known


def test_without_the_library_none_are_offered(monkeypatch):
    assert offered_at(ORIGIN, "Guichet").name == "Guichet console"
    monkeypatch.setitem(sys.modules, "webauthn", None)
    assert offered_at(ORIGIN, "Guichet") is None


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        *(("  office \n laptop ", "office laptop"), ("é" * 60, "é" * 60), ("é" * 61, None)),
        *(("", None), (" ", None), ("ada@ops.example", None), ("a\x07b", None)),
    ],
)
def test_a_name_is_one_short_line_and_no_address(typed, name):
    assert passkeys.read_name(typed) == name


SITE, CHALLENGE = Site("localhost", ORIGIN, "Guichet"), "A" * 43
DEVICE = Authenticator(ORIGIN, kind=ed25519.Ed25519PrivateKey.generate)  # all lengths are fixed
MADE = DEVICE.create({"challenge": CHALLENGE, "rp": {"id": "localhost"}, "user": {"id": "A" * 22}})
USED = DEVICE.get({"challenge": CHALLENGE})
PUBLIC_KEY = to_base64(DEVICE.passkeys[0].cose())


def test_the_answers_that_are_spoiled_below_are_right():
    assert ceremonies.read_new(SITE, CHALLENGE, json.loads(MADE)).public_key == PUBLIC_KEY
    assert ceremonies.check(SITE, CHALLENGE, json.loads(USED), PUBLIC_KEY) == 1


@hypothesis_settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_whatever_bytes_come_are_refused_and_break_nothing(data):
    """Right answers of which one piece is anything at all."""
    is_new = data.draw(st.booleans())
    sent = json.loads(MADE if is_new else USED)
    piece = data.draw(st.sampled_from(sorted(sent["response"])))
    held = bytearray(from_base64(sent["response"][piece]))
    if data.draw(st.booleans()):
        held[data.draw(st.integers(0, len(held) - 1))] ^= data.draw(st.integers(1, 255))
    else:
        held = data.draw(st.binary(max_size=200))
    sent["response"][piece] = to_base64(bytes(held))
    try:
        if is_new:
            ceremonies.read_new(SITE, CHALLENGE, sent)
        else:
            ceremonies.check(SITE, CHALLENGE, sent, PUBLIC_KEY)
    except ceremonies.Unfit:
        return
    # Nobody signs for a new passkey; whose a used one is, is looked at elsewhere.
    assert is_new or piece == "userHandle"
