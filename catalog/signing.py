"""Ed25519 keys: make one, sign with it, check a signature.

Used by the seals. Keys are PEM files (PKCS 8, as `openssl genpkey -algorithm ed25519` makes them); public keys and
signatures are written as hex digits. Importing this imports no cryptography.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CatalogError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with the key in a file."""

    file: Path

    def sign(self, message: bytes) -> tuple[str, str]:
        """Return the public key and the signature of a message, as hex digits.

        *Raises* CatalogError where the file holds no Ed25519 key.
        """
        key = _private_key(self.file)
        return key.public_key().public_bytes_raw().hex(), key.sign(message).hex()


def make_key(file: Path) -> str:
    """Make a private key in a new file that only its owner can read; return the public key.

    *Raises* CatalogError where the file exists.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CatalogError(
            f"the key cannot be written to {file}: {error.strerror}", remedy="name a new file in a folder that exists"
        ) from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    return key.public_key().public_bytes_raw().hex()


def is_signed(public_key: str, signature: str, message: bytes) -> bool:
    """Return whether a signature of a message was made with the private key of a public one."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private_key(file: Path) -> Ed25519PrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise CatalogError(
            f"{file} cannot be used as a signing key: {error}", remedy="make one: assets audit key FILE"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CatalogError(f"{file} holds another key than Ed25519", remedy="make one: assets audit key FILE")
    return key
