"""Text that came from elsewhere, made safe to print and measured in columns."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

MORE = "…"
# Control characters, and what turns the direction of text around or breaks a line unseen.
UNSAFE = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    code: f"\\u{code:04x}"
    for code in (0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
}
UNSAFE |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}
UNSAFE_BUT_TABS = {code: safe for code, safe in UNSAFE.items() if code != ord("\t")}


def safe(text: str) -> str:
    """Show what a terminal would act upon, so that it acts upon nothing."""
    return text if text.isascii() and text.isprintable() else text.translate(UNSAFE)


def safe_line(text: str) -> str:
    """Do as `safe` does, and let tabs be."""
    return text if text.isascii() and text.isprintable() else text.translate(UNSAFE_BUT_TABS)


def columns(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def padded(text: str, width: int) -> str:
    """Return *text* at exactly *width* columns; what is cut off ends in `…`."""
    if text.isascii() and len(text) <= width:
        return text.ljust(width)
    if (taken := columns(text)) <= width:
        return text + " " * (width - taken)
    return set_cell_size(text, max(0, width - 1)) + MORE[:width]
