"""An OpenID provider on this machine: real keys, PKCE, codes that work once, and the faults of others.

It is written from the specifications and shares no code with the service: tokens are signed with
`cryptography` alone. As ProConnect, it refuses every parameter that it does not know.
"""

import base64
import hashlib
import json
import secrets
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Flask, Response, redirect, request
from werkzeug.serving import WSGIRequestHandler, make_server

from .serving import serve
from .waiting import LOOPBACK

PATH = "/realms/ops"
CODE_LIVES = 30  # seconds
KNOWN = {
    *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "claims", "prompt"),
}
LONG_ENOUGH = 32  # characters of state and nonce
HELD = 60.0  # seconds that a silent provider holds a request, if nobody lets it go before


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Key:
    """An RSA key with a name."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def jwk(self) -> dict[str, str]:
        numbers = self.private.public_key().public_numbers()
        modulus = numbers.n.to_bytes(256, "big")
        return {
            "kty": "RSA",
            "kid": self.kid,
            "use": "sig",
            "alg": "RS256",
            "n": b64(modulus),
            "e": b64(numbers.e.to_bytes(3, "big")),
        }

    def sign(self, claims: dict[str, Any], *, kid: str | None = None) -> str:
        header = {"alg": "RS256", "kid": kid or self.kid, "typ": "JWT"}
        text = ".".join(b64(json.dumps(part).encode()) for part in (header, claims))
        signature = self.private.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{b64(signature)}"


@cache
def keys() -> tuple[Key, Key]:
    """Two keys, made once: that takes a moment."""
    return Key("first"), Key("second")


@dataclass
class Person:
    """Somebody with an account at the provider."""

    subject: str
    claims: dict[str, Any] = field(default_factory=dict)
    amr: list[str] | None = None
    acr: str | None = None


@dataclass
class Client:
    """Who may send people there."""

    client_id: str = "guichet"
    secret: str = "a secret: with + and %"
    redirect_uris: set[str] = field(default_factory=set)
    left_uris: set[str] = field(default_factory=set)
    pkce: bool = True


class Silent(WSGIRequestHandler):
    """A server that prints nothing."""

    def log(self, *args: object) -> None:
        pass


class OpenidProvider:
    """`fault`: what is wrong with the next answers, by name. `present`: who signs in without a form.

    `calls`: the paths that were asked for, in their order. `signed_in_at`: None: when they sign in.
    """

    def __init__(self, now, *, host: str = LOOPBACK) -> None:
        self.now = now
        self.key, self.other_key = keys()
        self.client = Client()
        self.people: dict[str, Person] = {}
        self.present: str | None = None
        self.fault = ""
        self.error = ""
        self.takes_claims = True
        self.secret_in_form = True
        self.userinfo: str = "json"
        self.signed_in_at: float | None = None
        self.calls: list[str] = []
        self.asked: dict[str, str] = {}
        self.left: list[str] = []
        self.lets_go = threading.Event()
        self._codes: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, str] = {}
        self._server = make_server(LOOPBACK, 0, self._app(), threaded=True, request_handler=Silent)
        self.issuer = f"http://{host}:{self._server.server_port}{PATH}"
        self._thread = serve(self._server)

    def stop(self) -> None:
        self.lets_go.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def rotate(self) -> None:
        """It signs with a new key from now on."""
        self.key, self.other_key = self.other_key, self.key

    def _app(self) -> Flask:
        app = Flask("provider", static_folder=None)
        for rule, view in {
            "/.well-known/openid-configuration": self._document,
            "/keys": self._keys,
            "/authorize": self._authorize,
            "/token": self._token,
            "/userinfo": self._userinfo,
            "/end": self._end,
        }.items():
            methods = ["POST"] if rule == "/token" else ["GET"]
            app.add_url_rule(PATH + rule, rule, view, methods=methods)
        app.before_request(lambda: self.calls.append(request.path.removeprefix(PATH)))
        return app

    def _document(self) -> dict[str, Any]:
        how = "client_secret_post" if self.secret_in_form else "client_secret_basic"
        return {
            "issuer": "https://elsewhere.example" if self.fault == "document" else self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/end",
            "jwks_uri": f"{self.issuer}/keys",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
            "token_endpoint_auth_methods_supported": [how],
            "claims_parameter_supported": self.takes_claims,
        }

    def _keys(self) -> dict[str, Any]:
        return {"keys": [self.key.jwk()]}

    def _authorize(self) -> Response | tuple[str, int]:
        asked = self.asked = request.args.to_dict()
        own = {"code_challenge", "code_challenge_method"} if self.client.pkce else set()
        own |= set() if self.takes_claims else {"max_age", "acr_values"}
        is_right = (
            asked.get("client_id") == self.client.client_id
            and asked.get("redirect_uri") in self.client.redirect_uris
            and asked.get("response_type") == "code"
            and "openid" in asked.get("scope", "").split()
            and len(asked.get("state", "")) >= LONG_ENOUGH
            and len(asked.get("nonce", "")) >= LONG_ENOUGH
            and not asked.keys() - KNOWN - own - {"as"}
            and (not self.client.pkce or asked.get("code_challenge_method") == "S256")
        )
        if not is_right:
            return "Y000400: Bad Request", 400
        who = asked.get("as") or (None if asked.get("prompt") == "login" else self.present)
        if self.error:
            return self._back(asked, error=self.error)
        if who is None:
            return self._form(asked)
        code = secrets.token_urlsafe(16)
        at = self.now().timestamp()
        self._codes[code] = {"who": who, "at": at, **asked}
        return self._back(asked, code=code)

    def _form(self, asked: dict[str, str]) -> Response:
        """Where somebody says who they are."""
        links = "".join(
            f'<p><a href="?{urlencode({**asked, "as": who})}">{who}</a></p>' for who in self.people
        ).replace("&", "&amp;")
        return Response(f"<!doctype html><title>Provider</title><h1>Provider</h1>{links}")

    def _back(self, asked: dict[str, str], **answer: str) -> Response:
        query = urlencode({**answer, "state": asked["state"], "iss": self._issuer_of("answer")})
        return redirect(f"{asked['redirect_uri']}?{query}", 303)

    def _issuer_of(self, place: str) -> str:
        return (
            "https://elsewhere.example" if self.fault == f"issuer of the {place}" else self.issuer
        )

    def _token(self) -> Any:
        if self.fault == "silent":
            self.lets_go.wait(HELD)
        if self.fault == "broken":
            return "<h1>Bad gateway</h1>", 502
        form = request.form
        code = self._codes.pop(form.get("code", ""), None)
        is_right = (
            self._knows_caller()
            and code is not None
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == code["redirect_uri"]
            and self.now().timestamp() - code["at"] <= CODE_LIVES
            and self._is_verified(code, form.get("code_verifier"))
        )
        if code is None or not is_right:
            return {"error": "invalid_grant"}, 400
        access_token = secrets.token_urlsafe(16)
        self._tokens[access_token] = code["who"]
        id_token = self._id_token(code, access_token)
        return {"access_token": access_token, "token_type": "Bearer", "id_token": id_token}

    def _knows_caller(self) -> bool:
        if self.secret_in_form:
            given = (request.form.get("client_id"), request.form.get("client_secret"))
            return given == (self.client.client_id, self.client.secret)
        scheme, _, basic = request.headers.get("Authorization", "").partition(" ")
        plain = base64.b64decode(basic).decode()
        # As in a form: a blank is a plus, and what stands for it is escaped (RFC 6749, 2.3.1).
        written = urlencode({"": self.client.secret})[1:]
        return scheme == "Basic" and plain == f"{self.client.client_id}:{written}"

    def _is_verified(self, code: dict[str, Any], verifier: str | None) -> bool:
        if not self.client.pkce:
            return verifier is None
        digest = hashlib.sha256((verifier or "").encode()).digest()
        return verifier is not None and b64(digest) == code["code_challenge"]

    def _id_token(self, code: dict[str, Any], access_token: str) -> str:
        person, now = self.people[code["who"]], int(self.now().timestamp())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self._issuer_of("token"),
            "sub": person.subject,
            "aud": self.client.client_id,
            "exp": now + 300,
            "iat": now,
            "nonce": code["nonce"],
            "at_hash": b64(half),
            "auth_time": int(self.signed_in_at or now),
        }
        if person.amr is not None:
            claims["amr"] = person.amr
        if person.acr is not None:
            claims["acr"] = person.acr
        if self.userinfo == "json":
            claims |= person.claims
        claims |= {
            "audience": {"aud": "another client", "azp": self.client.client_id},
            "audience missing": {"aud": None},
            "nonce": {"nonce": "n" * 43},
            "expired": {"exp": now - 3600},
            "future": {"iat": now + 3600},
            "access token": {"at_hash": b64(b"0" * 16)},
            "subject": {"sub": ""},
            "no auth_time": {"auth_time": None},
        }.get(self.fault, {})
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.fault == "key":
            return self.other_key.sign(claims)
        if self.fault == "forged":
            return self.other_key.sign(claims, kid=self.key.kid)
        if self.fault == "unsigned":
            return self._unsigned(claims)
        return self.key.sign(claims)

    def _unsigned(self, claims: dict[str, Any]) -> str:
        header = {"alg": "none", "kid": self.key.kid}
        return ".".join(b64(json.dumps(part).encode()) for part in (header, claims)) + "."

    def _userinfo(self) -> Any:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        who = self._tokens.get(token)
        if scheme != "Bearer" or who is None:
            return {"error": "invalid_token"}, 401
        person = self.people[who]
        subject = "somebody else" if self.fault == "userinfo" else person.subject
        claims = {"sub": subject, **person.claims}
        if self.userinfo == "json":
            return claims
        now = int(self.now().timestamp())
        about = {"iss": self.issuer, "aud": self.client.client_id, "exp": now + 300, "iat": now}
        key = self.other_key if self.fault == "userinfo signature" else self.key
        signed = key.sign({**about, **claims}, kid=self.key.kid)
        return Response(signed, content_type="application/jwt; charset=utf-8")

    def _end(self) -> Response | tuple[str, int]:
        """Sign out (OpenID Connect RP-Initiated Logout 1.0)."""
        hint, back = (
            request.args.get("id_token_hint", ""),
            request.args.get("post_logout_redirect_uri"),
        )
        state = request.args.get("state", "")
        if hint.count(".") != 2 or back not in self.client.left_uris or len(state) < LONG_ENOUGH:
            return "Y000400: Bad Request", 400
        padded = hint.split(".")[1] + "=="
        self.left.append(json.loads(base64.urlsafe_b64decode(padded))["sub"])
        return redirect(f"{back}?{urlencode({'state': state})}", 303)
