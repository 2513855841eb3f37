"""Who made a bundle: a detached Ed25519 signature (RFC 8032) of its manifest, which has the sha256 of all its files.

`manifest.sig` is the 64 bytes of the signature and nothing else; keys are PEM files. Without this module:

    openssl genpkey -algorithm ed25519 -out private.pem
    openssl pkey -in private.pem -pubout -out public.pem
    openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in manifest.json -sigfile manifest.sig
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xspecnf.atomic import write_atomically
from xspecnf.bundle import MANIFEST_FILE, load_bundle
from xspecnf.errors import BundleError, InputError
from xspecnf.extras import require

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE_FILE = "manifest.sig"


def sign_bundle(folder: Path, private_key: Path) -> Path:
    """Sign a sound bundle; returns the signature's file, which is not among those of the manifest.

    Raises:
        BundleError: the bundle is damaged.
        InputError: the file holds no private Ed25519 key, or one with a passphrase.
        MissingExtraError: cryptography is not installed.
    """
    key = _private(private_key)
    path = load_bundle(folder).path
    write_atomically(path / SIGNATURE_FILE, key.sign((path / MANIFEST_FILE).read_bytes()))
    return path / SIGNATURE_FILE


def verify_signature(folder: Path, public_key: Path) -> None:
    """Check that the owner of a key signed the manifest; :func:`load_bundle` checks the files against the manifest.

    Raises:
        BundleError: there is no signature, or it is not that of this key and this manifest.
        InputError: the file holds no public Ed25519 key.
        MissingExtraError: cryptography is not installed.
    """
    key, path = _public(public_key), folder / SIGNATURE_FILE
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(path.read_bytes(), (folder / MANIFEST_FILE).read_bytes())
    except OSError as error:
        raise BundleError(f"{error.filename}: cannot be read ({error.strerror}); ask for a signed bundle") from error
    except InvalidSignature as error:
        raise BundleError(f"{path}: not the signature of {public_key} on this manifest; do not use it") from error


def _private(path: Path) -> Ed25519PrivateKey:
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return _key(path, lambda pem: load_pem_private_key(pem, password=None), Ed25519PrivateKey)


def _public(path: Path) -> Ed25519PublicKey:
    _require_cryptography()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return _key(path, load_pem_public_key, Ed25519PublicKey)


def _require_cryptography() -> None:
    require("cryptography", "sign", "a signature")


def _key(path: Path, load: Callable[[bytes], Any], kind: type) -> Any:
    try:
        key = load(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (TypeError, ValueError) as error:  # TypeError: a passphrase is needed
        raise InputError(f"{path}: no PEM key that can be read here ({error}); {_MAKE}") from error
    if not isinstance(key, kind):
        raise InputError(f"{path}: holds no {kind.__name__}; {_MAKE}")
    return key


_MAKE = "make one, without a passphrase, by `openssl genpkey -algorithm ed25519`"
