"""Questions that are none get a refusal with a code, whatever they are made of."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings as drawing, strategies as st

from domain_rules.address_faults import InvalidAddress
from domain_rules.addresses import EmailAddress
from tests.worlds.api import *
from tests.worlds.api import API, ask

# One application serves every example: nothing here leaves a trace in it.
many = drawing(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PATHS = ["/info", "/internal-info"]


def asked(client, query: str | bytes, path="/info"):
    """The query as it goes over the wire, encoded by nobody."""
    raw = query.encode() if isinstance(query, str) else query
    wire = {"QUERY_STRING": raw.decode("latin-1"), "REMOTE_ADDR": "127.0.0.1"}
    return client.get(f"{API}{path}", environ_overrides=wire)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "M_MISSING_PARAMS"),
        ("medium=email", "M_MISSING_PARAMS"),
        ("Medium=email&Address=a@b.example", "M_MISSING_PARAMS"),
        ("medium=email;address=a@b.example", "M_MISSING_PARAMS"),
        ("medium=email&address=", "M_INVALID_EMAIL"),
        ("medium=email&address", "M_INVALID_EMAIL"),
        ("medium=email&address=a", "M_INVALID_EMAIL"),
        ("medium=email&address=@b.example", "M_INVALID_EMAIL"),
        ("medium=email&address=a@b@c.example", "M_INVALID_EMAIL"),
        ("medium=email&address=a@b c.example", "M_INVALID_EMAIL"),
        ("medium=email&address=a%00@b.example", "M_INVALID_EMAIL"),
        ("medium=email&address=a@b.example%0d%0ax", "M_INVALID_EMAIL"),
        ("medium=email&address=%2e@b.example", "M_INVALID_EMAIL"),
        ("medium=email&address=%22a b%22@b.example", "M_INVALID_EMAIL"),
        ("medium=msisdn&address=a@b.example", "M_INVALID_PARAM"),
        ("medium=%20&address=a@b.example", "M_INVALID_PARAM"),
        ("medium=Email&address=a@b.example", "M_INVALID_PARAM"),
        ("medium=&medium=email&address=a@b.example", "M_INVALID_PARAM"),
        ("medium=email%00&address=a@b.example", "M_INVALID_PARAM"),
        ("medium=msisdn&address=33612345678", "M_INVALID_PARAM"),
        ("medium=email&medium=email&address=a@b.example", "M_INVALID_PARAM"),
        ("medium=email&address=a@b.example&address=a@b.example", "M_INVALID_PARAM"),
        ("medium=email&address=a@b.example&address=", "M_INVALID_PARAM"),
        ("medium=email&address=%ff@b.example", "M_INVALID_PARAM"),
        (b"medium=email&address=\xff@b.example", "M_INVALID_PARAM"),
        ("medium=email&address=%ed%a0%80@b.example", "M_INVALID_PARAM"),
        ("medium=email&address=a@b.example" + "&x" * 60, "M_INVALID_PARAM"),
        ("medium=email&address=a@b.example&x=" + "x" * 1_000_000, "M_INVALID_PARAM"),
        ("medium=email&address=" + "&" * 1_000_000, "M_INVALID_PARAM"),
        ("medium=email&address=" + "a" * 2_000 + "@b.example", "M_INVALID_EMAIL"),
    ],
    ids=lambda value: value[:60] if isinstance(value, str | bytes) else None,
)
def test_a_question_that_is_none_is_refused_with_its_code(internal, path, query, code):
    answer = asked(internal, query, path)
    assert (answer.status_code, answer.json["errcode"]) == (400, code)
    assert answer.json["error"].endswith(".")


def test_a_refusal_never_repeats_what_was_asked(internal):
    answer = ask(internal, "<script>alert(1)</script>@camille.durand")
    assert answer.status_code == 400
    assert "script" not in answer.text
    assert "camille" not in answer.text


@pytest.mark.parametrize(
    "query",
    [
        "medium=email&address=a@ac-rouen.example&access_token=x&x=%C3%A9",
        "&&medium=email&&address=a@ac-rouen.example&",
        "address=%61%40ac%2Drouen%2Eexample&medium=%65mail",
        "medium=email&address=a@ac-rouen.example%20",
        "medium=email&address=a@ac%E3%80%82example".replace("ac%", "ac-rouen%"),
        "medium=email&address=a@ac-rouen。example",
    ],
)
def test_what_else_stands_in_the_query_does_not_matter(public, query):
    assert asked(public, query).json["hs"] == "education.example"


@pytest.mark.parametrize("local", ["a%zz", "a%", "a%25b", "a%21b", "%7Ca"])
def test_what_is_left_of_a_percent_sign_is_no_address(public, local):
    answer = asked(public, f"medium=email&address={local}@ac-rouen.example")
    assert (answer.status_code, answer.json["errcode"]) == (400, "M_INVALID_EMAIL")


@many
@given(raw=st.binary(max_size=300) | st.binary(max_size=60).map(b"medium=email&address=".__add__))
def test_any_bytes_are_answered_and_never_by_a_fault(internal, raw):
    for path in PATHS:
        answer = asked(internal, raw, path)
        assert answer.status_code in {200, 400}
        assert answer.is_json


@many
@given(
    local=st.text(max_size=70),
    domain=st.text(max_size=30)
    | st.sampled_from(["ac-rouen.example", "defense.example", "ASSO.example"]),
)
def test_what_is_an_address_for_the_rules_is_one_on_the_wire(internal, local, domain):
    typed = f"{local}@{domain}"
    try:
        read = EmailAddress.parse(typed)
    except InvalidAddress:
        allowed = {200, 400}  # a space may have been a plus
    except UnicodeEncodeError:
        return
    else:
        # Which signs its agents may have before the @ is for the rule of a domain to say.
        allowed = {200, 400} if read.extra_signs else {200}
    answer = asked(internal, "medium=email&address=" + quote(typed, safe="", errors="replace"))
    assert answer.status_code in allowed


@many
@given(raw=st.binary(max_size=200))
def test_any_path_and_any_header_are_answered_and_never_by_a_fault(public, raw):
    text = raw.decode("latin-1")
    for path, known in ((f"{API}/{text}", {}), (f"{API}/info", {"HTTP_X_FORWARDED_FOR": text})):
        environ = {"PATH_INFO": path, "HTTP_AUTHORIZATION": f"Bearer {text}", **known}
        assert public.get("/", environ_overrides=environ).status_code < 500


@pytest.mark.parametrize(
    "header",
    ["Authorization", "X-Forwarded-For", "Forwarded", "Cookie", "Accept-Language", "Range"],
)
def test_huge_headers_are_overlooked_or_refused(either, header):
    for value in ("x" * 1_000_000, "1," * 100_000, "\xff" * 1_000):
        for path in PATHS:
            answer = ask(either, "a@ac-rouen.example", path=path, headers={header: value})
            assert answer.status_code in {200, 403}
            assert answer.is_json


@pytest.mark.parametrize("host", ["a b", "\xff\xfe", "[::1", "x" * 5_000, "a:zz", ""])
def test_a_host_that_is_none_is_overlooked_or_refused(public, host):
    environ = {"HTTP_HOST": host, "QUERY_STRING": "medium=email&address=a@ac-rouen.example"}
    answer = public.get(f"{API}/info", environ_overrides=environ)
    assert answer.status_code in {200, 400}
    assert answer.is_json


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["medium=&address={}", "address={}", "address={}&medium"])
def test_a_client_that_names_no_medium_asks_about_email(internal, path, query):
    """Tchap's older client for iOS sends it empty."""
    answer = asked(internal, query.format("camille@ac-rouen.example"), path)
    with_medium = asked(internal, "medium=email&address=camille@ac-rouen.example", path)
    assert answer.status_code == 200
    assert answer.json["hs"] == "education.example"
    assert answer.json == with_medium.json
