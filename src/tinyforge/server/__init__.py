"""The composition root: the only place that knows which parts there are."""

from __future__ import annotations

from tinyforge.server.offline import open_offline
from tinyforge.server.process import serve
from tinyforge.server.running import Server

__all__ = ["Server", "open_offline", "serve"]
