"""Servers whose certificate or encryption is bad; a real client trusts one authority of the test."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from tests.security.certificates import Authority, Pair, program, self_signed
from tests.torture.served import environment

HERE = "IP:127.0.0.1"
CLIENT = """
import asyncio, json, sys
from tinyforge.errors import OutboundFailed
from tinyforge.outbound import Outbound, Request

async def ask(client, url):
    try:
        return str((await client.send(Request(method="GET", url=url, timeout=10))).status)
    except OutboundFailed as problem:
        return f"{problem.reason} {problem.permanent}"

async def main():
    async with Outbound.open(public_only=False) as client:
        print(json.dumps({url: await ask(client, url) for url in sys.argv[1:]}))

asyncio.run(main())
"""
BAD = {
    "expired": "certificate has expired",
    "not yet valid": "certificate is not yet valid",
    "of another host": "IP address mismatch",
    "of another name": "IP address mismatch",
    "self-signed": "self-signed certificate",
    "TLS 1.1": "agreed on no encryption from TLS 1.2 on",
    "no TLS at all": "agreed on no encryption from TLS 1.2 on",
}
TOKEN = "tf_of_a_test_and_nobody_else"
heard: list[bytes] = []  # by servers whose certificate was believed


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    heard.append(await reader.readuntil(b"\r\n\r\n"))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    await writer.drain()
    writer.close()


async def serve_plainly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def encrypted(pair: Pair) -> AsyncIterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def outdated(pair: Pair) -> AsyncIterator[int]:
    """Serve TLS 1.1, which Python's own library hardly can any more."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ["s_server", "-accept", f"127.0.0.1:{port}", "-www", "-tls1_1", "-naccept", "2"]
    words += ["-cipher", "DEFAULT@SECLEVEL=0", "-cert", str(pair.certificate)]
    process = await asyncio.create_subprocess_exec(
        *(program(), *words, "-key", str(pair.key)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout
    try:
        await process.stdout.readuntil(b"ACCEPT")
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@asynccontextmanager
async def plain() -> AsyncIterator[int]:
    async with await asyncio.start_server(serve_plainly, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def all_servers(folder: Path) -> AsyncIterator[dict[str, int]]:
    authority = Authority(folder)
    recent = ("-days", "2")
    past = ("-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
    future = ("-startdate", "20400101000000Z", "-enddate", "20410101000000Z")
    good = authority.sign("good", HERE, *recent)
    async with AsyncExitStack() as open_:
        enter = open_.enter_async_context
        yield {
            "good": await enter(encrypted(good)),
            "expired": await enter(encrypted(authority.sign("expired", HERE, *past))),
            "not yet valid": await enter(encrypted(authority.sign("future", HERE, *future))),
            "of another host": await enter(
                encrypted(authority.sign("host", "IP:127.0.0.2", *recent))
            ),
            "of another name": await enter(
                encrypted(authority.sign("name", "DNS:*.example.org", *recent))
            ),
            "self-signed": await enter(encrypted(self_signed(folder, HERE))),
            "TLS 1.1": await enter(outdated(good)),
            "no TLS at all": await enter(plain()),
        }


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[dict[str, int]]:
    async with all_servers(tmp_path) as ports:
        yield ports


async def asked(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    """Ask each server from a process that trusts the authority and nobody else."""
    urls = {name: f"https://127.0.0.1:{port}/" for name, port in ports.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CLIENT, *urls.values()),
        env={**environment(), "SSL_CERT_FILE": str(folder / "ca.pem"), "HOME": str(folder)},
        stdout=subprocess.PIPE,
    )
    output, _ = await process.communicate()
    answers = json.loads(output)
    return {name: answers[url] for name, url in urls.items()}


async def test_security_row_37_only_a_good_certificate_is_trusted(
    servers: dict[str, int], tmp_path: Path
) -> None:
    said = await asked(tmp_path, servers)

    assert said.pop("good") == "200"
    assert set(said) == set(BAD)
    for name, why in BAD.items():
        assert why in said[name], (name, said[name])
        assert said[name].endswith(" True"), f"{name} would be tried again: {said[name]}"


async def listed(folder: Path, port: int) -> tuple[int, str]:
    """Ask a server elsewhere with the command line; return its exit code and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tinyforge", "trigger", "list"),
        env={
            **environment(),
            "HOME": str(folder),
            "TINYFORGE_URL": f"https://127.0.0.1:{port}",
            "TINYFORGE_TOKEN": TOKEN,
            "TINYFORGE_CA_FILE": str(folder / "ca.pem"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


async def test_security_row_37_the_command_line_shows_its_token_to_nobody_else(
    servers: dict[str, int], tmp_path: Path
) -> None:
    heard.clear()
    bad = ("expired", "of another host", "self-signed", "TLS 1.1")
    said = await asyncio.gather(*(listed(tmp_path, servers[name]) for name in bad))
    assert {code for code, _ in said} == {1}
    assert all("not trusted" in words or "no TLS can be spoken" in words for _, words in said), said
    assert heard == []

    _, words = await listed(tmp_path, servers["good"])
    assert "not as Tinyforge does" in words
    assert any(TOKEN.encode() in head for head in heard)


async def test_the_server_of_tls_1_1_is_one(servers: dict[str, int]) -> None:
    where = f"127.0.0.1:{servers['TLS 1.1']}"
    process = await asyncio.create_subprocess_exec(
        *(program(), "s_client", "-connect", where, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PATH": os.environ["PATH"]},
    )
    output, _ = await process.communicate()
    assert b"TLSv1.1" in output
