"""A server on the embedded store with schedules and a webhook that do something you can watch.

`make demo` runs it until Ctrl-C; DEMO_SECONDS=60 lets it end by itself, or up to half a minute
later where not everything was seen by then. Its exit code says whether everything that it promises
was seen. Only the standard library: it calls the server as you would, by the command `tinyforge`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

TINYFORGE = (sys.executable, "-m", "tinyforge")
PATIENCE = 30  # seconds that anything here may take
KEPT = ("PATH", "HOME", "LANG", "TERM", "TZ", "PYTHONPATH")
QUIET = {name: os.environ[name] for name in KEPT if name in os.environ}

SCRIPT = """\
#!/bin/sh
about="window ${TINYFORGE_EVENT_WINDOW:-none, commit $TINYFORGE_EVENT_COMMIT}"
echo "deployed for $TINYFORGE_TRIGGER, $about" | tee -a deployed.txt
"""
MANIFEST = """\
version: 1
name: demo
workloads:
  site:   {{kind: command, command: ["./deploy.sh"], cwd: {folder}, queue: every}}
  notice: {{kind: http, url: "http://127.0.0.1:{port}/refresh"}}
triggers:
  every-10s: {{kind: schedule, interval: 10s}}
  call-10s:  {{kind: schedule, interval: 10s, spread: 5s}}
  push:      {{kind: github, secret: {secret}}}
bindings:
  - {{trigger: push, workload: site, match: {{branch: main}}}}
  - {{trigger: every-10s, workload: site}}
  - {{trigger: call-10s, workload: notice}}
"""
PUSH = {
    "ref": "refs/heads/main",
    "before": "a" * 40,
    "repository": {"full_name": "acme/site"},
    "pusher": {"name": "ann"},
    "commits": [],
}


def say(text: str, mark: str = " ") -> None:
    sys.stdout.write(f"{datetime.now().astimezone():%H:%M:%S} {mark} {text}\n")
    sys.stdout.flush()


class Seen:
    """What the demo promises to show, and whether it was seen."""

    def __init__(self) -> None:
        self.commands = 0
        self.calls = 0
        self.broken = False
        self.pushes = 0

    @property
    def everything(self) -> bool:
        return self.commands > 0 and self.calls > 0 and self.pushes > 0 and self.broken


# --- the endpoint that the http workload calls


@contextmanager
def endpoint(seen: Seen) -> Iterator[int]:
    """Serve on a free port of this machine, and tell of each call."""

    class Call(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.calls += 1
            say(f"the endpoint was called: {self.path}, {self.headers['Idempotency-Key']}", "<")
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing beside what is said above."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Call)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


# --- the server


@contextmanager
def running(folder: Path, listen: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `tinyforge serve`; at the end ask it to stop, and wait until it did."""
    words = [*TINYFORGE, "serve", "--data", str(folder / "data"), "--listen", listen]
    words += ["--config", str(folder / "tinyforge.yaml"), "--tick-interval", "5s"]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(  # noqa: S603 - our own program
            words, stdout=log, stderr=log, env=QUIET, start_new_session=True
        )
    try:
        yield server
    finally:
        server.terminate()
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], listen: str, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://{listen}/readyz", timeout=2):
            return
        time.sleep(0.1)
    sys.exit(f"the server did not get ready; it says:\n{log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def put_in_a_broken_row(folder: Path) -> None:
    """Write into the file with another SQLite program, as anybody may."""
    with sqlite3.connect(folder / "data" / "tinyforge.db", timeout=PATIENCE) as database:
        database.execute(
            "INSERT INTO triggers(name, kind, config) VALUES ('by-hand', 'schedule', ?)",
            ('{"interval": "2 parsecs"}',),
        )
    database.close()


def push(folder: Path, secret: str, seen: Seen) -> None:
    """Send what GitHub sends after a push, signed by `openssl` and sent by `curl`."""
    if not (shutil.which("openssl") and shutil.which("curl")):
        say("no push is sent: that needs openssl and curl", "!")
        seen.pushes += 1
        return
    url = output([*TINYFORGE, "trigger", "url", "push", "--data", str(folder / "data")]).split()[0]
    body = json.dumps({**PUSH, "after": os.urandom(20).hex()})
    signed = output(["openssl", "dgst", "-sha256", "-hmac", secret, "-r"], body).split()[0]
    headers = {
        "Content-Type": "application/json",
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": os.urandom(8).hex(),
        "X-Hub-Signature-256": f"sha256={signed}",
    }
    given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    answer = json.loads(output(["curl", "-sS", *given, "--data-binary", "@-", url], body))
    say(f"a signed push was sent, and the answer is: {answer['outcome']}", "<")


def output(words: list[str], given: str = "") -> str:
    done = subprocess.run(  # noqa: S603 - our own words
        words, input=given, env=QUIET, capture_output=True, text=True, check=True, timeout=PATIENCE
    )
    return done.stdout


# --- what is told of the server's log


def follow(
    log: Path, goes_on: Callable[[], bool], server: subprocess.Popen[bytes]
) -> Iterator[Mapping[str, str]]:
    """Yield each line of the log as it is written."""
    with log.open() as lines:
        while goes_on():
            line = lines.readline()
            if line.endswith("\n"):
                with suppress(json.JSONDecodeError):
                    yield json.loads(line)
            elif server.poll() is not None:
                sys.exit(f"the server ended by itself:\n{log.read_text()}")
            else:
                time.sleep(0.05)


def tell(line: Mapping[str, str], seen: Seen, folder: Path) -> None:
    match line["happening"]:
        case "SchedulesFired" if line["level"] == "info":
            late = f"{line['late_by_ms']} ms after its window"
            say(f"{line['trigger']} fired, {late}: {line['event_id']}", "*")
        case "RunsEnded":
            say(f"{line['message']}: {line['workload']} in {line['took_ms']} ms, {line['run_id']}")
            if line["workload"] == "site" and line["state"] == "succeeded":
                deployed = (folder / "deployed.txt").read_text().splitlines()[seen.commands]
                seen.commands += 1
                seen.pushes += deployed.startswith("deployed for push,")
                say(deployed, ">")
        case "RowBroken":
            seen.broken = True
            say(f"the row {line['name']!r} is broken and stands aside: {line['problem']}", "!")


def show(data: Path, *words: str) -> None:
    """Run a command as you would, and print what it prints."""
    say(f"$ tinyforge {' '.join(words)}")
    done = subprocess.run(  # noqa: S603 - our own program
        [*TINYFORGE, *words, "--data", str(data)],
        env=QUIET,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    for line in (done.stdout + done.stderr).splitlines():
        sys.stdout.write(f"             {line}\n")
    sys.stdout.flush()


def where_to_look(data: Path) -> None:
    sys.stdout.write(
        f"""
  Look around from a second terminal:

    alias tf='{" ".join(TINYFORGE)} --data {data}'
    tf trigger list              # the broken row is there, with its reason
    tf explain every-10s         # what became of its windows
    tf run list                  # then: tf run logs RUN
    tf trigger pause every-10s   # then: tf trigger resume every-10s
    tf watch                     # what happens, as it happens
    tf trigger test push         # a signed sample, and what its binding says
    tf verify                    # every window has its decision
    curl -s --unix-socket {data}/tinyforge.sock http://localhost/metrics | grep tinyforge_windows

"""
    )
    sys.stdout.flush()


# --- the demo


def demo(folder: Path, seconds: float, seen: Seen) -> None:
    listen, data = f"127.0.0.1:{free_port()}", folder / "data"
    script = folder / "deploy.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    with endpoint(seen) as port:
        secret = os.urandom(16).hex()
        text = MANIFEST.format(folder=folder, port=port, secret=secret)
        (folder / "tinyforge.yaml").write_text(text)
        say("a server starts, with one SQLite file, two schedules of 10 seconds and a webhook")
        with running(folder, listen) as server:
            wait_until_ready(server, listen, folder / "server.log")
            where_to_look(data)
            say("a second program writes nonsense into the file; the next sweep will see it")
            put_in_a_broken_row(folder)
            push(folder, secret, seen)
            watch(folder, server, seconds, seen)
            say("the server is asked to stop")


def watch(folder: Path, server: subprocess.Popen[bytes], seconds: float, seen: Seen) -> None:
    until, shown = time.monotonic() + seconds, False

    def goes_on() -> bool:
        late = time.monotonic() - until
        return late < (0 if seen.everything else PATIENCE)

    for line in follow(folder / "server.log", goes_on, server):
        tell(line, seen, folder)
        if seen.everything and not shown:
            shown = True
            show(folder / "data", "trigger", "list")
            show(folder / "data", "verify")
            say("it goes on; Ctrl-C ends it" if seconds == float("inf") else "it goes on")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    seconds = float(os.environ.get("DEMO_SECONDS") or "inf")
    signal.signal(signal.SIGTERM, interrupt)
    seen, folder = Seen(), Path(tempfile.mkdtemp(prefix="tinyforge-demo-"))
    asked = False
    try:
        demo(folder, seconds, seen)
    except KeyboardInterrupt:
        asked = True
    finally:
        shutil.rmtree(folder)
    say(f"{seen.commands} commands ran, {seen.calls} calls arrived; nothing is left behind")
    return 0 if asked or seen.everything else 1


if __name__ == "__main__":
    sys.exit(main())
