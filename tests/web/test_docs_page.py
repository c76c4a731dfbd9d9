"""The page that shows the API, in a browser, beside a real server."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import tinyforge.web
from tests.web.browser import chromium
from tests.web.server import Running

VENDORED = Path(tinyforge.web.__file__).parent / "vendored"


async def test_the_page_asks_nothing_outside_and_works_with_a_token(
    running: Running, tmp_path: Path
) -> None:
    async with chromium(tmp_path / "chromium") as page:
        await page.open(f"{running.address}/api/v1/docs")
        await page.until("document.readyState === 'complete' && 'SwaggerUIBundle' in window")
        await page.see(f"document.getElementById('token').value = '{running.tokens['viewer']}'")
        await page.see("document.querySelector('#ask button').click()")
        await page.until("document.querySelectorAll('.opblock').length > 30")
        await page.see(
            "document.querySelector('#operations-trust-health .opblock-summary-control').click()"
        )
        await page.until("document.querySelector('.try-out__btn') !== null")
        await page.see("document.querySelector('.try-out__btn').click()")
        await page.until("document.querySelector('.execute') !== null")
        await page.see("document.querySelector('.execute').click()")
        await page.until(
            "document.querySelector('.live-responses-table .response .response-col_status') !== null"
        )
        status = "document.querySelector('.live-responses-table .response .response-col_status').innerText"
        assert str(await page.see(status)).startswith("200")
    assert f"{running.address}/api/v1/health" in page.asked
    outside = [one for one in page.asked if not one.startswith((running.address, "data:"))]
    assert (outside, page.complaints) == ([], [])


def test_the_page_tells_a_stranger_nothing_of_this_server(running: Running) -> None:
    page = running.ask("GET", "/api/v1/docs", None)
    policy = {name.lower(): value for name, value in page.headers.items()}[
        "content-security-policy"
    ]
    assert (page.status, "unsafe" in policy, "default-src 'none'" in policy) == (200, False, True)
    assert running.ask("GET", "/api/v1/openapi.json", None).status == 401
    described = json.loads(running.ask("GET", "/api/v1/openapi.json", "viewer").body)
    assert described["info"]["version"].encode() not in page.body


def test_what_is_vendored_is_untouched() -> None:
    folders = [path.parent for path in VENDORED.glob("*/SHA256SUMS")]
    assert folders
    for folder in folders:
        lines = (folder / "SHA256SUMS").read_text().splitlines()
        listed = dict(reversed(line.split("  ")) for line in lines)
        found = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.iterdir()
            if path.name not in ("SHA256SUMS", "README.md")
        }
        assert found == listed
        assert "LICENSE" in found
