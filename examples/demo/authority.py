"""Makes a private certificate authority for the demo, and one certificate for localhost."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(days=30)
CLOCK_SKEW = timedelta(days=1)


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority that clients trust, and the certificate and key of the servers."""

    ca_file: Path
    certificate: Path
    key: Path


def make_certificates(folder: Path, now: datetime) -> Certificates:
    """Make new files in the folder. The authority's own key is not stored."""
    files = Certificates(folder / "ca.pem", folder / "localhost.pem", folder / "localhost.key")
    authority_key, key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = _name("Guichet's demo")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    own = _draft(authority, authority, authority_key, now).add_extension(constraints, critical=True)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    own = own.add_extension(usage, critical=True)
    names = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))
    servers = _draft(_name("localhost"), authority, key, now).add_extension(
        x509.SubjectAlternativeName(names), critical=False
    )
    for path, draft in ((files.ca_file, own), (files.certificate, servers)):
        signed = draft.sign(authority_key, hashes.SHA256())
        path.write_bytes(signed.public_bytes(Encoding.PEM))
    files.key.touch(mode=0o600)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _draft(
    subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
