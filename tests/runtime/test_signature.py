"""A signed bundle is its signer's, whole; anything else about key, signature or manifest is refused."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xspecnf.errors import BundleError, InputError, MissingExtraError
from xspecnf.signature import sign_bundle, verify_signature

pytest.importorskip("cryptography", reason="the extra xspecnf[sign] is not installed")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a.pem, a.pub, b.pem, b.pub."""
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    folder = tmp_path_factory.mktemp("keys")
    for name in "ab":
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
        (folder / f"{name}.pem").write_bytes(private)
        public = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
        (folder / f"{name}.pub").write_bytes(public)
    return folder


@pytest.fixture
def signed(tiny_bundle: Path, keys: Path, tmp_path: Path) -> Path:
    folder = shutil.copytree(tiny_bundle, tmp_path / "signed")
    sign_bundle(folder, keys / "a.pem")
    return folder


def test_the_signers_key_alone_verifies(signed: Path, keys: Path) -> None:
    verify_signature(signed, keys / "a.pub")
    with pytest.raises(BundleError, match=r"manifest\.sig: not the signature of .*b\.pub"):
        verify_signature(signed, keys / "b.pub")


def test_any_change_of_the_manifest_or_the_signature_is_found(signed: Path, keys: Path) -> None:
    for name in ("manifest.json", "manifest.sig"):
        sound = (signed / name).read_bytes()
        for content in (sound[:-1] + bytes([sound[-1] ^ 1]), sound + b" ", sound[:10], b""):
            (signed / name).write_bytes(content)
            with pytest.raises(BundleError, match=r"manifest\.sig: not the signature"):
                verify_signature(signed, keys / "a.pub")
        (signed / name).write_bytes(sound)


def test_an_unsigned_bundle_and_a_wrong_key_are_named(tiny_bundle: Path, signed: Path, keys: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.sig: cannot be read"):
        verify_signature(tiny_bundle, keys / "a.pub")
    with pytest.raises(InputError, match=r"a\.pem: no PEM key"):
        verify_signature(signed, keys / "a.pem")
    with pytest.raises(InputError, match=r"a\.pub: no PEM key"):
        sign_bundle(signed, keys / "a.pub")
    with pytest.raises(InputError, match=r"nobody\.pub: cannot be read"):
        verify_signature(signed, keys / "nobody.pub")


def test_keys_of_another_kind_are_refused(signed: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    key = generate_private_key(SECP256R1())
    other, locked = tmp_path / "other.pem", tmp_path / "locked.pem"
    other.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    locked.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret")))
    with pytest.raises(InputError, match=r"other\.pem: holds no Ed25519PrivateKey"):
        sign_bundle(signed, other)
    with pytest.raises(InputError, match=r"locked\.pem: no PEM key .*without a passphrase"):
        sign_bundle(signed, locked)


def test_a_damaged_bundle_is_not_signed(signed: Path, keys: Path) -> None:
    (signed / "flow.onnx").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"flow\.onnx: its sha256"):
        sign_bundle(signed, keys / "a.pem")


def test_openssl_agrees(signed: Path, keys: Path) -> None:
    """The commands that the module's documentation gives."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl is not here")
    options = ["-rawin", "-in", signed / "manifest.json", "-sigfile", signed / "manifest.sig"]
    done = subprocess.run([openssl, "pkeyutl", "-verify", "-pubin", "-inkey", keys / "a.pub", *options], check=False)
    assert done.returncode == 0


def test_a_missing_package_is_named(signed: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError, match=r"xspecnf\[sign\]"):
        verify_signature(signed, keys / "a.pub")
