"""What the library does for passkeys: options for browsers, and the checks of what they send back.

It is imported where it is used: without the extra `passkeys` it is not there.
"""

import base64
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.options_to_json_dict import options_to_json_dict
from webauthn.helpers.structs import (
    AttestationFormat,
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from .site import Site

TIMEOUT: Final = 300_000  # milliseconds, as long as a challenge lives
# What the library, and those it stands on, raise for bytes that are not as they should be.
UNFIT: Final = (
    *(WebAuthnException, InvalidSignature, UnsupportedAlgorithm),
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError),
)


class Unfit(ValueError):
    """What the browser sent does not prove anything."""


@dataclass(frozen=True)
class NewCredential:
    """`public_key`: a COSE_Key in base64url."""

    credential_id: str
    public_key: str
    sign_count: int


def options_to_add(
    site: Site, challenge: str, *, operator_id: uuid.UUID, name: str, known: Iterable[str]
) -> dict[str, Any]:
    """`PublicKeyCredentialCreationOptionsJSON`. `known`: the credentials that they have already.

    The authenticator keeps the passkey itself and knows whose it is, so that nobody is asked for
    an address; it always asks for a finger, a face or a PIN. Nobody is asked who made it.
    """
    return options_to_json_dict(
        generate_registration_options(
            rp_id=site.rp_id,
            rp_name=site.name,
            user_id=operator_id.bytes,
            user_name=name,
            challenge=from_base64(challenge),
            timeout=TIMEOUT,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(known),
        )
    )


def options_to_prove(site: Site, challenge: str, known: Iterable[str]) -> dict[str, Any]:
    """`PublicKeyCredentialRequestOptionsJSON`. `known`: empty for any passkey of this site."""
    return options_to_json_dict(
        generate_authentication_options(
            rp_id=site.rp_id,
            challenge=from_base64(challenge),
            timeout=TIMEOUT,
            allow_credentials=_descriptors(known),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
    )


def read_new(site: Site, challenge: str, sent: dict[str, Any]) -> NewCredential:
    """The passkey that a browser has made (WebAuthn Level 3, section 7.1). Raises Unfit.

    Statements of makers are not taken: nobody asked for them, and their certificates would have to
    be read.
    """
    try:
        held = parse_attestation_object(from_base64(sent["response"]["attestationObject"]))
        if held.fmt not in {AttestationFormat.NONE, AttestationFormat.PACKED} or held.att_stmt.x5c:
            raise Unfit("statement of its maker")
        made = verify_registration_response(
            credential=sent,
            expected_challenge=from_base64(challenge),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            require_user_verification=True,
        )
        # A key that cannot be read would let nobody in later.
        decoded_public_key_to_cryptography(decode_credential_public_key(made.credential_public_key))
    except UNFIT as error:
        raise Unfit(type(error).__name__) from error
    return NewCredential(
        to_base64(made.credential_id), to_base64(made.credential_public_key), made.sign_count
    )


def check(site: Site, challenge: str, sent: dict[str, Any], public_key: str) -> int:
    """Check what a browser answered (section 7.2), but for its count. Returns this. Raises Unfit."""
    try:
        return verify_authentication_response(
            credential=sent,
            expected_challenge=from_base64(challenge),
            expected_rp_id=site.rp_id,
            expected_origin=site.origin,
            credential_public_key=from_base64(public_key),
            credential_current_sign_count=0,  # whoever calls compares it, in one statement
            require_user_verification=True,
        ).new_sign_count
    except UNFIT as error:
        raise Unfit(type(error).__name__) from error


def from_base64(text: str) -> bytes:
    """The bytes of base64url without padding. Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def to_base64(content: bytes) -> str:
    """The bytes in base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _descriptors(known: Iterable[str]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=from_base64(each)) for each in known]
