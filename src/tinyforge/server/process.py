"""One process that serves: its loop, its log, its signals, its exit code."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

import uvloop

from tinyforge.clock import Clock, SystemClock
from tinyforge.engine.runner import DEPLOY_THREADS
from tinyforge.errors import InvalidManifest, Refused, TinyforgeError
from tinyforge.observe.events import Observe
from tinyforge.observe.lines import Level
from tinyforge.observe.log import Log, rendering
from tinyforge.observe.pipe import Pipe, open_pipe
from tinyforge.server.running import Server
from tinyforge.settings import Outbound, Settings

SWITCH_INTERVAL = 1e-4  # seconds: the writer's thread must not wait 5 ms for its turn
RARELY = (50_000, 50, 100)  # a batch makes 100,000 tuples, and none of them a cycle
FAILED, WRONG = 1, 2
FORCED = 130
PATIENCE = 0.2  # seconds, for threads that have nothing left to do
MOST_FILES = 8_192  # open at once: each connection is one


def serve(settings: Settings, clock: Clock | None = None) -> int:
    """Serve until a signal ends it; return the exit code, its reason already on stderr.

    *clock* is the machine's where none is given.
    """
    clock = clock or SystemClock()
    sys.setswitchinterval(SWITCH_INTERVAL)
    gc.set_threshold(*RARELY)
    _allow_more_files()
    if settings.outbound is Outbound.PUBLIC:
        os.environ["TINYFORGE_OUTBOUND"] = "public"
    with open_pipe(sys.stderr.fileno()) as pipe:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(_server(settings, clock, pipe)))
        except InvalidManifest as mistakes:
            return _refused(pipe, mistakes, WRONG)
        except TinyforgeError as problem:
            return _refused(pipe, problem, FAILED)
    _leave_deploys_behind()
    return 0


def _allow_more_files() -> None:
    """Take what the machine grants: a shell starts with a limit that connections soon reach."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    granted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if resource.RLIM_INFINITY != soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))


def _leave_deploys_behind() -> None:
    """End the process where a plain `def` deploy still holds its thread: Python would wait for it.

    Its run is under our lease, so the next start finds it as it finds what a death left.
    """
    deadline = time.monotonic() + PATIENCE
    for thread in threading.enumerate():
        if thread.name.startswith(DEPLOY_THREADS):
            thread.join(max(0, deadline - time.monotonic()))
            if thread.is_alive():
                os._exit(0)


def _log(settings: Settings, clock: Clock, pipe: Pipe) -> Observe:
    render = rendering(settings.log_format, terminal=sys.stderr.isatty())
    log = Log(pipe, render, clock, Level[settings.log_level.name])
    logging.basicConfig(handlers=[log])  # what libraries have to say
    return log


def _refused(pipe: Pipe, problem: TinyforgeError, code: int) -> int:
    fix = f"\nfix: {problem.fix}" if isinstance(problem, Refused) else ""
    what = problem.problem if isinstance(problem, Refused) else str(problem)
    pipe.write(f"error: {what}{fix}\n".encode(errors="replace"), 1)
    return code


def _server(settings: Settings, clock: Clock, pipe: Pipe) -> Server:
    log = _log(settings, clock, pipe)
    return Server(settings=settings, clock=clock, listening=[log], dropped=lambda: pipe.dropped)


async def _serve(server: Server) -> None:
    ending = asyncio.Event()
    _on_signals(server, ending)
    failed: asyncio.Task[None] | None = None
    try:
        await server.start()
        _tell_supervisor("READY=1")
        failed = asyncio.create_task(server.wait())
        waiting = asyncio.create_task(ending.wait())
        await asyncio.wait([failed, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        _tell_supervisor("STOPPING=1")
    finally:
        await server.stop()
    if failed.done() and not failed.cancelled():
        failed.result()
    failed.cancel()


def _on_signals(server: Server, ending: asyncio.Event) -> None:
    """End softly at the first signal, at once at the second; SIGHUP reads the manifest again."""
    loop = asyncio.get_running_loop()
    reloads: set[asyncio.Task[None]] = set()

    def end() -> None:
        if ending.is_set():
            os._exit(FORCED)
        ending.set()

    def reload() -> None:
        task = loop.create_task(server.reload())
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    on: dict[int, Callable[[], None]] = {
        signal.SIGTERM: end,
        signal.SIGINT: end,
        signal.SIGHUP: reload,
    }
    for number, act in on.items():
        loop.add_signal_handler(number, act)


def _tell_supervisor(state: str) -> None:
    """Tell systemd, where it asked to be told (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        try:
            channel.connect(address)
            channel.sendall(state.encode())
        except OSError:
            return
