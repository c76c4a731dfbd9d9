"""What is kept sealed: AES-256-GCM under a key that lies in a file, never in the database.

The key file holds one key a line, `ID BASE64`, the one in use first. A key's id is a hash of it, so
a file that was mistyped is told apart. A key that was in use before lies beside, as `FILE.ID`.
"""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from tinyforge.errors import KeyMissing, Refused, SealBroken

KEY_BYTES = 32
ID_BYTES = 8
NONCE_BYTES = 12
TAG_BYTES = 16
FORM = b"\x01"  # of what is sealed: this byte, the key's id, the nonce, the ciphertext with its tag
HEAD_BYTES = len(FORM) + ID_BYTES
LONGEST_FILE = 64 * 1024
OTHERS = stat.S_IRWXG | stat.S_IRWXO
NOTE = (
    "# Tinyforge's keys, the one in use first. Whoever has this file and the database can read what"
    " is sealed there;\n# without this file nobody can. Keep a copy of it where no backup lies.\n"
)
SAMPLE, SAMPLE_OF = b"a value that is not what it looks like", "self-test"


class Cipher(Protocol):
    """`AESGCM` of the library, which takes long to import."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None) -> bytes: ...


class MakesCipher(Protocol):
    def __call__(self, key: bytes) -> Cipher: ...


class Key(NamedTuple):
    """One key. It shows its id alone."""

    id: str
    material: bytes

    def __repr__(self) -> str:
        return self.id


class Keyring:
    """The keys of one file: the first of them seals, every one opens."""

    def __init__(self, path: Path) -> None:
        """Look at nothing yet: the file is made where something is to be sealed."""
        self.path = path
        self._keys: tuple[Key, ...] = ()
        self._ciphers: dict[str, Cipher] = {}

    @property
    def is_there(self) -> bool:
        return bool(self._keys) or self.path.exists()

    @property
    def key_id(self) -> str:
        """Return the id of the key that seals; the file is made where it is not there."""
        return self._current().id

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of the keys in the file, the one in use first; none without a file."""
        if not self.is_there:
            return ()
        self._read_once()
        return tuple(key.id for key in self._keys)

    def seal(self, plain: bytes, context: str) -> bytes:
        """Return *plain* such that only this key opens it, and only for the same *context*."""
        key = self._current()
        head, nonce = FORM + bytes.fromhex(key.id), os.urandom(NONCE_BYTES)
        return head + nonce + self._cipher(key).encrypt(nonce, plain, head + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Return what was sealed for *context*.

        KeyMissing names the key that is wanted; SealBroken: it was changed, or is another's.
        """
        wanted = key_of(sealed)
        key = self._key(wanted)
        head, rest = sealed[:HEAD_BYTES], sealed[HEAD_BYTES:]
        try:
            return self._cipher(key).decrypt(
                rest[:NONCE_BYTES], rest[NONCE_BYTES:], head + context.encode()
            )
        except Exception as problem:
            if type(problem).__name__ != "InvalidTag":  # whose module is not to be imported for it
                raise
            raise SealBroken(wanted) from None

    def need(self, wanted: Iterable[str]) -> None:
        """Raise KeyMissing where one of the *wanted* keys cannot be had."""
        for key_id in wanted:
            self._key(key_id)

    def test(self) -> None:
        """Seal something, open it again and compare; SealBroken where that is not the same."""
        sealed = self.seal(SAMPLE, SAMPLE_OF)
        if SAMPLE in sealed or self.open(sealed, SAMPLE_OF) != SAMPLE:
            raise SealBroken(key_of(sealed))

    def begin_rotation(self) -> str:
        """Put a new key first, and return its id; one that was begun before goes on."""
        self._read_again()
        if len(self._keys) < 2:  # noqa: PLR2004 - the one in use, and the one before
            self._write([_new_key(), *self._keys])
        return self._keys[0].id

    def end_rotation(self) -> Sequence[Path]:
        """Take all but the first key out of the file, and return where they lie for old backups."""
        self._read_again()
        first, *before = self._keys
        kept = [self._beside(key.id) for key in before]
        for key, path in zip(before, kept, strict=True):
            if not path.exists():
                _write_new(path, _text([key]))
        self._write([first])
        return kept

    def _current(self) -> Key:
        if not self.is_there:
            self._make()
        self._read_once()
        return self._keys[0]

    def _key(self, wanted: str) -> Key:
        """Find a key in the file, which may have grown since, or beside it."""
        if not self._has(wanted) and self.path.exists():
            self._read_again()
        if not self._has(wanted) and self._beside(wanted).exists():
            return next(key for key in _read(self._beside(wanted)) if key.id == wanted)
        for key in self._keys:
            if key.id == wanted:
                return key
        raise KeyMissing(wanted, str(self.path))

    def _has(self, wanted: str) -> bool:
        return any(key.id == wanted for key in self._keys)

    def _beside(self, key_id: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{key_id}")

    def _make(self) -> None:
        try:
            _write_new(self.path, _text([_new_key()]))
        except FileExistsError:  # another process was quicker
            return
        except OSError as problem:
            raise Refused(
                f"the key file {self.path} cannot be made: {problem.strerror}",
                "let the server's user write there, or name another file: TINYFORGE_KEY_FILE",
            ) from problem

    def _read_once(self) -> None:
        if not self._keys:
            self._read_again()

    def _read_again(self) -> None:
        if not self.path.exists():
            self._make()
        self._keys = _read(self.path)

    def _write(self, keys: Sequence[Key]) -> None:
        """Replace the file: a reader finds the old one or the new one, whole."""
        drafted = self.path.with_name(f"{self.path.name}.new")
        drafted.unlink(missing_ok=True)
        _write_new(drafted, _text(keys))
        drafted.rename(self.path)
        for left in self.path.parent.glob(f"{self.path.name}.*.new"):  # by what was killed
            left.unlink(missing_ok=True)
        _flush(self.path.parent)
        self._keys = tuple(keys)

    def _cipher(self, key: Key) -> Cipher:
        if key.id not in self._ciphers:
            self._ciphers[key.id] = cipher_of(key.material)
        return self._ciphers[key.id]


def cipher_of(material: bytes) -> Cipher:
    """Return AES-256-GCM under this key, imported when it is first needed."""
    module = import_module("cryptography.hazmat.primitives.ciphers.aead")
    return cast("MakesCipher", module.AESGCM)(material)


def key_of(sealed: bytes) -> str:
    """Return the id of the key that *sealed* wants; SealBroken where it is nothing sealed."""
    if len(sealed) < HEAD_BYTES + NONCE_BYTES + TAG_BYTES or sealed[:1] != FORM:
        raise SealBroken("")
    return sealed[len(FORM) : HEAD_BYTES].hex()


def _new_key() -> Key:
    material = os.urandom(KEY_BYTES)
    return Key(_id_of(material), material)


def _id_of(material: bytes) -> str:
    return blake2b(material, digest_size=ID_BYTES, person=b"tinyforge-key-id").hexdigest()


def _text(keys: Sequence[Key]) -> bytes:
    lines = (f"{key.id} {base64.b64encode(key.material).decode()}\n" for key in keys)
    return (NOTE + "".join(lines)).encode()


def _read(path: Path) -> tuple[Key, ...]:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as problem:
        raise Refused(
            f"the key file {path} cannot be read: {problem.strerror}",
            "let the server's user, and nobody else, read it",
        ) from problem
    try:
        mode = os.fstat(handle).st_mode
        content = os.pread(handle, LONGEST_FILE, 0) if stat.S_ISREG(mode) else b""
    finally:
        os.close(handle)
    if mode & OTHERS:
        raise Refused(f"other users may get at the key file {path}", f"chmod 600 {path}")
    return _keys(content, path)


def _keys(content: bytes, path: Path) -> tuple[Key, ...]:
    lines = content.decode(errors="replace").splitlines()
    written = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    found = [_parsed(words) for words in written]
    keys = tuple(key for key in found if key is not None)
    if not keys or len(keys) != len(found):
        raise Refused(
            f"{path} is no key file, or one that was changed: a line is `ID BASE64`",
            "put the copy of it back that you keep",
        )
    return keys


def _parsed(words: Sequence[str]) -> Key | None:
    try:
        key_id, written = words
        material = base64.b64decode(written, validate=True)
    except ValueError:
        return None
    return Key(key_id, material) if _fits(key_id, material) else None


def _fits(key_id: str, material: bytes) -> bool:
    return len(material) == KEY_BYTES and _id_of(material) == key_id


def _write_new(path: Path, content: bytes) -> None:
    """Make a file that is not there yet, for its user alone, and whole whenever one looks."""
    drafted = path.with_name(f"{path.name}.{os.urandom(ID_BYTES).hex()}.new")
    handle = os.open(drafted, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(handle, 0o600)
        os.write(handle, content)
        os.fsync(handle)
        os.link(drafted, path)
    finally:
        os.close(handle)
        drafted.unlink()
    _flush(path.parent)


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
