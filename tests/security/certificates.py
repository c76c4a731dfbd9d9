"""An authority and its certificates, good and bad, all made by the command `openssl`."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

CONFIG = """
[ca]
default_ca = own
[own]
dir = {folder}
database = {folder}/index
new_certs_dir = {folder}
serial = {folder}/serial
certificate = {folder}/ca.pem
private_key = {folder}/ca.key
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


class Authority:
    """Signs for any name and any span of time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.pem"
        (folder / "index").touch()
        (folder / "serial").write_text("01\n")
        (folder / "ca.cnf").write_text(CONFIG.format(folder=folder))
        _openssl(
            *("req", "-x509", "-days", "2", "-subj", "/CN=authority of a test", *NEW_KEY),
            *("-keyout", str(folder / "ca.key"), "-out", str(self.certificate)),
        )

    def sign(self, name: str, host: str, *span: str) -> Pair:
        """Give a certificate for *host*; *span* is `-days 2` or `-startdate … -enddate …`."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request = str(self._folder / f"{name}.csr")
        _openssl(
            *("req", "-new", "-subj", f"/CN={name}", "-addext", f"subjectAltName={host}"),
            *(*NEW_KEY, "-keyout", str(pair.key), "-out", request),
        )
        _openssl(
            *("ca", "-batch", "-notext", "-config", str(self._folder / "ca.cnf"), *span),
            *("-in", request, "-out", str(pair.certificate)),
        )
        return pair


def self_signed(folder: Path, host: str) -> Pair:
    pair = Pair(folder / "self.pem", folder / "self.key")
    _openssl(
        *("req", "-x509", "-days", "2", "-subj", "/CN=self", "-addext", f"subjectAltName={host}"),
        *(*NEW_KEY, "-keyout", str(pair.key), "-out", str(pair.certificate)),
    )
    return pair


def program() -> str:
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("needs openssl")
    return found


def _openssl(*words: str) -> None:
    done = subprocess.run([program(), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
