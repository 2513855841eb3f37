"""`xspecnf models sign` and `verify --key`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result


def test_a_bundle_is_signed_and_verified(run: Callable[..., Result], tiny_bundle: Path, tmp_path: Path) -> None:
    pytest.importorskip("cryptography", reason="the extra xspecnf[sign] is not installed")
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    private.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    bundle = shutil.copytree(tiny_bundle, tmp_path / "bundle")

    unsigned = run("models", "verify", bundle, "--key", public)
    assert (unsigned.exit_code, unsigned.stdout) == (1, "")
    assert "manifest.sig: cannot be read" in unsigned.stderr
    assert run("models", "sign", bundle, "--key", private).exit_code == 0
    verified = run("models", "verify", bundle, "--key", public)
    assert verified.exit_code == 0, verified.stderr
    assert f"signed by the owner of {public}, 4 files intact, graphs run" in verified.stdout
