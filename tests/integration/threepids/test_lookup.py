"""/hash_details and /lookup as programs see them."""

import base64
import hashlib
from dataclasses import replace

import pytest
from sqlalchemy import event

from identity.app import create_app
from identity.core.journal import Actor
from identity.threepids import accounts as identity_accounts, associations, pepper_rotation, peppers
from identity.threepids.pepper_rotation import THE_START
from tests.worlds.api import *
from tests.worlds.programs import ADDRESS, CAMILLE, ZOE, Program, refused

GIL = "@gil:guests.example"


@pytest.fixture
def camille(public, decided) -> Program:
    return registered(public, decided, CAMILLE)


def registered(client, services, user_id) -> Program:
    with services.database.transaction() as session:
        token = identity_accounts.register(session, services.now(), user_id=user_id)
    return Program(client, services, user_id, token)


@pytest.fixture
def bound(services, clock):
    def bound(address=ADDRESS, user_id=CAMILLE):
        with services.database.transaction() as session:
            associations.bind(session, clock(), address=address, user_id=user_id)

    return bound


@pytest.fixture
def rotate(services, clock):
    def rotate():
        with services.database.transaction() as session:
            made = pepper_rotation.begin(session, clock())
            pepper_rotation.lookup_queries.hash_next(session, made, after=THE_START, most=10)
            pepper_rotation.finish(session, clock(), made, Actor("tests", "here"))

    return rotate


@pytest.fixture
def in_the_clear(decided) -> Program:
    settings = decided.settings.model_copy(update={"lookup_algorithms": ("sha256", "none")})
    client = create_app(replace(decided, settings=settings)).test_client()
    return registered(client, decided, CAMILLE)


def details(program: Program) -> dict:
    answer = program.get("/hash_details")
    assert answer.status_code == 200
    return answer.json


def digest(address: str, pepper: str) -> str:
    raw = hashlib.sha256(f"{address} email {pepper}".encode()).digest()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def look(program: Program, *asked, **facts):
    told = {"algorithm": "sha256", "addresses": asked} | facts
    if "pepper" not in told:
        told["pepper"] = details(program)["lookup_pepper"]
    return program.post("/lookup", **told)


def found(program: Program, *addresses: str) -> dict[str, str]:
    """Address → user ID, by hashes of now."""
    pepper = details(program)["lookup_pepper"]
    hashes = {digest(address, pepper): address for address in addresses}
    mappings = look(program, *hashes).json["mappings"]
    return {hashes[key]: user_id for key, user_id in mappings.items()}


def test_the_details_name_sha256_and_a_pepper_of_128_bits(camille):
    told = details(camille)
    assert told["algorithms"] == ["sha256"]
    assert len(base64.urlsafe_b64decode(told["lookup_pepper"] + "==")) == 16
    assert details(camille) == told


@pytest.mark.parametrize(
    ("address", "medium", "expected"),
    [
        ("alice@example.com", "email", "4kenr7N9drpCJ4AfalmlGQVsOn3o2RHjkADUpXJWZUc"),
        ("bob@example.com", "email", "LJwSazmv46n0hlMlsb_iYxI0_HXEqy_yj6Jm636cdT8"),
        ("18005552067", "msisdn", "nlo35_T5fzSGZzJApqu8lgIudJvmOQtDaHtr-I4rU7I"),
    ],
)
def test_hashes_are_those_of_the_specification(address, medium, expected):
    assert peppers.hash_address(address, medium, "matrixrocks") == expected


def test_the_keys_are_what_was_sent_and_strangers_are_left_out(camille, bound):
    bound()
    pepper = details(camille)["lookup_pepper"]
    known, unknown = digest(ADDRESS, pepper), digest("nobody@ac-rouen.example", pepper)
    answer = look(camille, known, unknown, known)
    assert (answer.status_code, answer.json) == (200, {"mappings": {known: CAMILLE}})


def test_nobody_found_is_an_empty_object(camille):
    assert look(camille).json == {"mappings": {}}
    assert look(camille, "x").json == {"mappings": {}}


def test_what_was_bound_before_the_first_account_came_is_found(public, decided, bound):
    bound()
    assert found(registered(public, decided, ZOE), ADDRESS) == {ADDRESS: CAMILLE}


def test_an_address_bound_to_somebody_else_is_theirs(camille, bound):
    bound()
    bound(user_id=ZOE)
    assert found(camille, ADDRESS) == {ADDRESS: ZOE}


def test_what_is_withdrawn_is_found_no_more(camille, bound, services):
    bound()
    with services.database.transaction() as session:
        associations.unbind(session, address=ADDRESS, user_id=CAMILLE)
    assert found(camille, ADDRESS) == {}


def test_another_pepper_is_refused_and_the_right_one_told(camille):
    pepper = details(camille)["lookup_pepper"]
    answer = look(camille, "x", pepper="matrixrocks")
    assert refused(answer) == (400, "M_INVALID_PEPPER")
    assert (answer.json["algorithm"], answer.json["lookup_pepper"]) == ("sha256", pepper)


@pytest.mark.parametrize("algorithm", ["none", "md5", "SHA256", "", "sha512"])
def test_an_algorithm_that_is_not_offered_is_unknown(camille, algorithm):
    answer = look(camille, "x", algorithm=algorithm)
    assert refused(answer) == (400, "M_INVALID_PARAM")


def test_in_the_clear_only_where_the_operator_says_so(in_the_clear, bound):
    bound()
    assert details(in_the_clear)["algorithms"] == ["sha256", "none"]
    asked = [f"{ADDRESS} email", "Camille.Durand@AC-Rouen.example email", ADDRESS, "x email", ""]
    answer = look(in_the_clear, *asked, algorithm="none")
    assert answer.json["mappings"] == {asked[0]: CAMILLE, asked[1]: CAMILLE}


def test_in_the_clear_needs_the_pepper_too(in_the_clear):
    answer = look(in_the_clear, f"{ADDRESS} email", algorithm="none", pepper="other")
    assert refused(answer) == (400, "M_INVALID_PEPPER")
    body = {"algorithm": "none", "addresses": []}
    assert refused(in_the_clear.post("/lookup", **body)) == (400, "M_MISSING_PARAMS")


def test_two_peppers_are_good_for_an_hour_then_one(camille, bound, rotate, clock):
    bound()
    before = details(camille)["lookup_pepper"]
    rotate()
    now = details(camille)["lookup_pepper"]
    assert now != before
    bound("late@ac-rouen.example", ZOE)
    for pepper in (before, now):
        hashes = [digest(each, pepper) for each in (ADDRESS, "late@ac-rouen.example")]
        assert look(camille, *hashes, pepper=pepper).json["mappings"] == {
            hashes[0]: CAMILLE,
            hashes[1]: ZOE,
        }
    clock.advance(hours=1)
    assert refused(look(camille, "x", pepper=before)) == (400, "M_INVALID_PEPPER")
    assert found(camille, ADDRESS) == {ADDRESS: CAMILLE}


@pytest.mark.parametrize("path", ["/lookup", "/3pid", "/account/3pid"])
def test_nobody_is_told_the_addresses_of_a_user_id(camille, bound, path):
    answer = camille.get(path, mxid=camille.user_id, user_id=camille.user_id)
    assert answer.status_code in {404, 405}
    assert "@" not in answer.json["error"]


def test_more_than_a_thousand_at_once_is_too_much(camille):
    assert look(camille, *(str(number) for number in range(1000))).status_code == 200
    answer = look(camille, *(str(number) for number in range(1001)))
    assert refused(answer) == (400, "M_TOO_LARGE")


@pytest.mark.parametrize("addresses", ["x", {"x": "y"}, None, 5, [5], [None], [["x"]], [{}]])
def test_addresses_are_a_list_of_strings(camille, addresses):
    answer = look(camille, addresses=addresses)
    assert refused(answer) == (400, "M_INVALID_PARAM")


@pytest.mark.parametrize("text", ["\0", "\ud800", "x" * 100_000, "' or 1=1 --", "é"])
def test_strange_strings_match_nothing(camille, in_the_clear, text):
    assert look(camille, text).json == {"mappings": {}}
    assert look(in_the_clear, f"{text} email", algorithm="none").json == {"mappings": {}}


@pytest.mark.parametrize("text", ["\0", "\ud800", "é"])
def test_who_is_asked_for_beside_strange_strings_is_found(camille, bound, text):
    bound()
    known = digest(ADDRESS, details(camille)["lookup_pepper"])
    assert look(camille, text, known, known).json == {"mappings": {known: CAMILLE}}


@pytest.mark.parametrize("field", ["algorithm", "pepper", "addresses"])
def test_every_field_of_a_lookup_is_needed(camille, field):
    body = {"algorithm": "sha256", "pepper": "x", "addresses": []}
    del body[field]
    assert refused(camille.post("/lookup", **body)) == (400, "M_MISSING_PARAMS")


def test_a_guest_finds_nobody_and_is_found_by_agents(public, decided, camille, bound):
    bound()
    bound("gil@asso.example", GIL)
    guest = registered(public, decided, GIL)
    assert found(guest, ADDRESS, "gil@asso.example") == {}
    assert found(camille, ADDRESS, "gil@asso.example") == {
        ADDRESS: CAMILLE,
        "gil@asso.example": GIL,
    }
    assert refused(look(guest, "x", pepper="other")) == (400, "M_INVALID_PEPPER")


def test_an_account_looks_up_so_many_different_addresses_a_day(camille, public, decided, clock):
    contacts = list(map(str, range(1000)))
    for first in range(0, 20_000, 1000):
        assert look(camille, *map(str, range(first, first + 1000))).status_code == 200
        assert look(camille, *contacts).status_code == 200
    answer = look(camille, "one more")
    assert refused(answer) == (429, "M_LIMIT_EXCEEDED")
    assert answer.json["retry_after_ms"] == int(answer.headers["Retry-After"]) * 1000 > 0
    assert look(registered(public, decided, ZOE), "x").status_code == 200
    clock.advance(seconds=int(answer.headers["Retry-After"]))
    assert look(camille, "one more").status_code == 200


def test_a_thousand_hashes_are_one_query(camille, services):
    asked = {"pepper": details(camille)["lookup_pepper"]}
    seen = []
    event.listen(services.database.engine, "before_cursor_execute", lambda *a: seen.append(a[2]))
    look(camille, *map(str, range(1000)), **asked)
    assert len([statement for statement in seen if "lookup_hashes" in statement]) == 1
    # The token, its homeserver, who asks, and whether he is an agent.
    assert len([statement for statement in seen if statement.startswith("SELECT")]) <= 4
