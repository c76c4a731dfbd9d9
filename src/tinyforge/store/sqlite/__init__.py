"""The embedded store: one file, one writer thread, readers beside it."""
