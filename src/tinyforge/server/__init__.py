"""The composition root: the only place that knows which parts there are.

`process` is what `tinyforge serve` runs, `running` a server from start to stop, `offline` the same
API over a file that nothing serves.
"""
