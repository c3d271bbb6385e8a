"""OpenID providers differ: in what they take, how they tell of a person, and what may be logged."""

from urllib.parse import parse_qs, urlsplit

import pytest

from identity.operators.sso import provider as providers
from identity.operators.sso.provider import WrongProvider
from tests.worlds.sso import *
from tests.worlds.visitors import heading


def test_proconnect_gets_no_parameter_that_it_does_not_know(
    with_sso, open_browser, provider, ines, invite
):
    """Its page: a secret in the form, no PKCE, claims asked for by name, signed userinfo."""
    provider.client.pkce, provider.userinfo = False, "jwt"
    person = provider.people["ana"]
    person.claims = {"given_name": "Inès", "usual_name": "Petit", "email": "ines@ops.example"}
    person.amr = ["pwd", "totp", "mfa"]
    invite(ines)
    services = with_sso(
        sso_label="ProConnect",
        sso_pkce="off",
        sso_userinfo="jwt",
        sso_scopes="openid given_name usual_name email",
    )
    browser = open_browser(services)
    assert heading(browser.sign_in()) == HOME
    assert provider.calls[-2:] == ["/token", "/userinfo"]
    assert set(asked(browser)) == {
        *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "claims"),
    }
    assert '"amr":{"essential":true}' in asked(browser)["claims"]


@pytest.mark.parametrize("fault", ["userinfo", "userinfo signature"])
def test_userinfo_of_somebody_else_or_not_signed_is_refused(
    with_sso, open_browser, provider, ines, invite, fault
):
    provider.userinfo, provider.fault = "jwt", fault
    invite(ines)
    provider.people["ana"].claims["email"] = "ines@ops.example"
    assert heading(open_browser(with_sso(sso_userinfo="jwt")).sign_in()) == REFUSED


def test_userinfo_as_json_tells_roles_too(with_sso, open_browser, provider, ana):
    services = with_sso(
        sso_userinfo="json", sso_role_claim="realm_access.roles", sso_roles="ops=editor"
    )
    ana.claims = {"realm_access": {"roles": ["ops"]}, "given_name": "Ana", "family_name": "Martin"}
    page = open_browser(services).sign_in()
    assert (heading(page), "Ana Martin" in page.text) == (HOME, True)
    provider.fault = "userinfo"
    assert heading(open_browser(services).sign_in()) == REFUSED


def test_a_secret_with_signs_reaches_a_provider_that_takes_it_as_a_header(
    with_sso, open_browser, provider, ana
):
    provider.secret_in_form, provider.takes_claims = False, False
    services = with_sso(sso_role_claim="groups", sso_roles=ROLES, sso_acr="gold silver")
    browser = open_browser(services)
    assert heading(browser.sign_in()) == HOME
    assert asked(browser)["acr_values"] == "gold silver"
    assert "claims" not in asked(browser)


def test_no_address_token_or_code_is_logged(keycloak, open_browser, provider, ana, caplog):
    caplog.set_level("DEBUG")
    browser = open_browser(keycloak)
    back = browser.go()
    browser.get(back)
    provider.fault = "audience"
    refused = browser.go()
    browser.get(refused)
    secrets = [*parse_qs(urlsplit(back).query)["code"], "ana@ops.example", "sub-of-ana", "eyJ"]
    assert [secret for secret in secrets if secret in caplog.text] == []


def test_a_key_that_nobody_here_can_read_leaves_the_others_in_use(provider):
    good = provider.key.jwk()
    curve = {"kty": "EC", "crv": "brainpoolP256r1", "x": "aa", "y": "bb", "kid": "curve"}
    broken = {"kty": "RSA", "n": 5, "e": "AQAB", "kid": "broken"}
    read = providers.read_keys({"keys": [curve, good, broken]})
    assert [key["kid"] for key in read["keys"]] == [good["kid"]]
    with pytest.raises(WrongProvider):
        providers.read_keys({"keys": [curve, broken]})
