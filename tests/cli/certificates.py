"""Certificates of a CA of one's own, made by `openssl`."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Authority:
    folder: Path

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, host: str, *, days: int = 30) -> ssl.SSLContext:
        """Return what a server of *host* speaks TLS with."""
        certificate = self.certificate(host, days=days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        return context

    def certificate(self, host: str, *, days: int = 30) -> Path:
        """Return its file; the key lies beside it."""
        at = self.folder / f"{host.replace('*', 'star')}.{days}.pem"
        key, wish, more = (at.with_suffix(suffix) for suffix in (".key", ".csr", ".ext"))
        is_address = host.replace(".", "").isdigit()
        more.write_text(f"subjectAltName={'IP' if is_address else 'DNS'}:{host}\n")
        request = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        openssl(*request, "-nodes", "-keyout", key, "-out", wish, "-subj", f"/CN={host}")
        by = ["-CA", self.file, "-CAkey", self.folder / "ca.key", "-CAcreateserial"]
        openssl("x509", "-req", "-in", wish, *by, "-days", str(days), "-extfile", more, "-out", at)
        return at


def authority(folder: Path) -> Authority:
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", folder / "ca.key", "-out", folder / "ca.pem"]
    openssl(*made, *files, "-subj", "/CN=ours", "-days", "30")
    return Authority(folder)


def openssl(*words: str | Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
