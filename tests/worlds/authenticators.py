"""An authenticator in software (WebAuthn Level 3, section 6): it makes passkeys and signs with them, or lies.

It is written from the specification and uses none of the code under test.
"""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRESENT, VERIFIED, HOLDS_CREDENTIAL = 0x01, 0x04, 0x40


def to_base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Passkey:
    """`count`: of signatures; None for one that does not count."""

    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
    user_handle: bytes
    rp_id: str
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    count: int | None = 0

    def cose(self) -> bytes:
        """The public half, as RFC 9053 writes it."""
        public = self.key.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            x = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return cbor2.dumps({1: 1, 3: -8, -1: 6, -2: x})
        numbers = public.public_numbers()
        x, y = (each.to_bytes(32, "big") for each in (numbers.x, numbers.y))
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def sign(self, content: bytes) -> bytes:
        if isinstance(self.key, ed25519.Ed25519PrivateKey):
            return self.key.sign(content)
        return self.key.sign(content, ec.ECDSA(SHA256()))


class Authenticator:
    """What answers `navigator.credentials` in one browser that is at this origin.

    What the two methods take beside options says what is wrong with the answer.
    """

    def __init__(self, origin: str, *, kind=ec.generate_private_key, counts: bool = True) -> None:
        self.origin, self.kind, self.counts = origin, kind, counts
        self.passkeys: list[Passkey] = []

    def create(self, options, **wrong) -> str:
        """The answer to `PublicKeyCredentialCreationOptionsJSON`, as JSON."""
        key = self.kind(ec.SECP256R1()) if self.kind is ec.generate_private_key else self.kind()
        made = Passkey(key, from_base64(options["user"]["id"]), options["rp"]["id"])
        made.count = 0 if self.counts else None
        made.credential_id = wrong.get("credential_id", made.credential_id)
        self.passkeys.append(made)
        named = made.credential_id
        attested = bytes(16) + len(named).to_bytes(2, "big") + named
        attested += wrong.get("cose", made.cose())
        flags = wrong.get("flags", PRESENT | VERIFIED) | HOLDS_CREDENTIAL
        held = self._told(made, flags, wrong) + attested
        said = self._said("webauthn.create", options["challenge"], wrong)
        statement = wrong.get("statement", {})
        voucher = made if wrong.get("self_signed") else wrong.get("voucher")
        if voucher is not None:
            signed = voucher.sign(held + hashlib.sha256(said).digest())
            statement = {"alg": -7, "sig": signed, **statement}
        kind = wrong.get("fmt", "none")
        whole = {"fmt": kind, "attStmt": statement, "authData": held}
        return self._written(
            wrong.get("named", named),
            {"clientDataJSON": said, "attestationObject": cbor2.dumps(whole)},
        )

    def get(self, options, *, passkey: Passkey | None = None, **wrong) -> str:
        """The answer to `PublicKeyCredentialRequestOptionsJSON`, as JSON."""
        used = passkey or self.passkeys[-1]
        if used.count is not None:
            used.count += 1
        held = self._told(used, wrong.get("flags", PRESENT | VERIFIED), wrong)
        said = self._said(wrong.get("type", "webauthn.get"), options["challenge"], wrong)
        signer = wrong.get("signer", used)
        signature = signer.sign(held + hashlib.sha256(said).digest())
        response = {"clientDataJSON": said, "authenticatorData": held, "signature": signature}
        handle = wrong.get("user_handle", used.user_handle)
        if handle is not None:
            response["userHandle"] = handle
        return self._written(wrong.get("named", used.credential_id), response)

    @staticmethod
    def _told(passkey: Passkey, flags: int, wrong) -> bytes:
        """Authenticator data (section 6.1)."""
        rp_id = wrong.get("rp_id", passkey.rp_id)
        count = wrong.get("count", passkey.count or 0)
        return hashlib.sha256(rp_id.encode()).digest() + bytes([flags]) + count.to_bytes(4, "big")

    def _said(self, kind: str, challenge: str, wrong) -> bytes:
        """Collected client data (section 5.8.1)."""
        told = {
            "type": kind,
            "challenge": wrong.get("challenge", challenge),
            "origin": wrong.get("origin", self.origin),
            "crossOrigin": wrong.get("framed", False),
        }
        return json.dumps(told).encode()

    @staticmethod
    def _written(named: bytes, response: dict[str, bytes]) -> str:
        return json.dumps(
            {
                "id": to_base64(named),
                "rawId": to_base64(named),
                "type": "public-key",
                "response": {name: to_base64(content) for name, content in response.items()},
            }
        )
