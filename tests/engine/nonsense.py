"""What people and programs have put into columns, as SQL writes it."""

from __future__ import annotations

from collections.abc import Mapping

MIB = 1024 * 1024
VALUES: Mapping[str, str] = {
    "null": "NULL",
    "empty": "''",
    "text": "'text'",
    "blob": "x'00ff'",
    "negative": "-1",
    "largest": "9223372036854775807",
    "huge": "1e308",
    "digits": "9" * 5_000,
    "surrogate": "CAST(x'eda080' AS TEXT)",
    "long": f"printf('%.{MIB}c', 'x')",
    "deep": "'" + '{"a":' * 100_000 + "1" + "}" * 100_000 + "'",
}
