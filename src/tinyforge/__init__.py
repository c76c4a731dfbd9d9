"""Redeploy things when something happens."""

__version__ = "0.1.0"
