"""Signatures with public keys, checked: RSA for Amazon SNS, an elliptic curve for SendGrid."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from crm_mailer.model.sentence import Sentence

#: By the version that an envelope of SNS names.
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}


class NoKey(ValueError):
    """What the settings name is no key of the wanted sort."""


def fits_certificates(
    place: Path, version: str, signature: bytes, signed: bytes, now: datetime
) -> bool:
    """Whether any certificate that lies here and is in force made an RSA signature.

    Args:
        place: a PEM file, or a folder of them.
        version: "1" for SHA-1, "2" for SHA-256.
        signature: as decoded.
        signed: what it is of.
        now: certificates end.
    """
    algorithm = _HASHES.get(version)
    if algorithm is None:
        return False
    for key in _keys(place, now):
        try:
            key.verify(signature, signed, padding.PKCS1v15(), algorithm)
        except InvalidSignature:
            continue
        return True
    return False


def fits_curve(public_key: str, signature: bytes, signed: bytes) -> bool:
    """Whether the holder of a key made an ECDSA signature (SHA-256).

    Raises:
        NoKey: `public_key` is no base64 of a key of an elliptic curve.
    """
    try:
        key = serialization.load_der_public_key(base64.b64decode(public_key, validate=True))
    except (ValueError, binascii.Error) as error:
        raise NoKey(Sentence("`public_key` in the settings is no key")) from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise NoKey(Sentence("`public_key` in the settings is no key of an elliptic curve"))
    try:
        key.verify(signature, signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _keys(place: Path, now: datetime) -> Iterator[rsa.RSAPublicKey]:
    files = sorted(place.glob("*.pem")) if place.is_dir() else [place]
    for path in files:
        try:
            certificates = _certificates(path, path.stat().st_mtime_ns)
        except (OSError, ValueError):
            continue
        for one in certificates:
            key = one.public_key()
            is_in_force = one.not_valid_before_utc <= now <= one.not_valid_after_utc
            if is_in_force and isinstance(key, rsa.RSAPublicKey):
                yield key


@lru_cache(maxsize=64)
def _certificates(path: Path, _changed: int) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())
