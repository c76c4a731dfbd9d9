"""A delivery that we send to our own door, over HTTP as a provider does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from tinyforge.errors import Refused
from tinyforge.operations.endpoints import Answered

PATIENCE = 30  # seconds
LARGEST_ANSWER = 1 << 20  # bytes
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what `--listen` may say


@dataclass(frozen=True)
class OwnDoor:
    """The address on which this very server listens."""

    address: str  # HOST:PORT

    async def post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answered:
        try:
            return await asyncio.to_thread(self._post, path, headers, body)
        except (OSError, HTTPException) as problem:
            said = problem.strerror if isinstance(problem, OSError) else None
            raise Refused(
                f"nobody answers at {self.address}, where this server listens:"
                f" {said or type(problem).__name__}",
                "tinyforge doctor",
            ) from None
        except ValueError:  # a line break, say: no header can carry it
            raise Refused(
                "the trigger's secret has characters that no header can carry",
                "give it another, of letters and digits",
            ) from None

    def _post(self, path: str, headers: Mapping[str, str], body: bytes) -> Answered:
        host, _, port = self.address.rpartition(":")
        bare = host.removeprefix("[").removesuffix("]")
        connection = HTTPConnection(ANY_ADDRESS.get(bare, bare), int(port), timeout=PATIENCE)
        try:
            connection.request("POST", path, body, dict(headers))
            response = connection.getresponse()
            return Answered(response.status, response.read(LARGEST_ANSWER))
        finally:
            connection.close()
