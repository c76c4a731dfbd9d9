"""A real pgbouncer in transaction mode in front of a real PostgreSQL."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.ports import free_port
from tests.torture.served import wait_until

CONFIG = """\
[databases]
postgres = host={host} dbname=postgres user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 3
"""


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """Give an address at which pgbouncer answers for the server at *url*."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("needs pgbouncer (on Debian: apt-get install pgbouncer)")
    host = parse_qs(urlsplit(url).query)["host"][0]
    folder = Path(tempfile.mkdtemp(prefix="tinyforge-pooler-"))
    folder.chmod(0o755)
    port = free_port()
    config = folder / "pgbouncer.ini"
    config.write_text(CONFIG.format(host=host, port=port))
    owner = pwd.getpwuid(Path(host).stat().st_uid).pw_name
    words = ["-u", owner] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, "-q", *words, str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(port), "pgbouncer answers")
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
