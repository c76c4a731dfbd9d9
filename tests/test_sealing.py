"""What seals: against NIST's vectors, against another implementation, and against the disk."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from threading import Thread

import cryptography_vectors
import pytest
from cryptography.exceptions import InvalidTag

from tinyforge.errors import KeyMissing, Refused, SealBroken
from tinyforge.sealing import Keyring, cipher_of, key_of
from tinyforge.settings import Settings

PLACE = "secrets/sec_0000000000001/trigger/push/secret"
PLAIN = b"a secret, with \xc3\xa4 in it"
# Opens what is sealed as docs/secrets.md says that it is laid out.
OPENED_BY_NODE = """
const c = require("crypto"), [key, sealed, place] = process.argv.slice(1);
const s = Buffer.from(sealed, "base64"), head = s.subarray(0, 9), nonce = s.subarray(9, 21);
const d = c.createDecipheriv("aes-256-gcm", Buffer.from(key, "base64"), nonce);
d.setAAD(Buffer.concat([head, Buffer.from(place)]));
d.setAuthTag(s.subarray(-16));
process.stdout.write(Buffer.concat([d.update(s.subarray(21, -16)), d.final()]));
"""
SEALED_BY_NODE = """
const c = require("crypto"), [key, id, place, plain] = process.argv.slice(1);
const head = Buffer.concat([Buffer.from([1]), Buffer.from(id, "hex")]), nonce = c.randomBytes(12);
const e = c.createCipheriv("aes-256-gcm", Buffer.from(key, "base64"), nonce);
e.setAAD(Buffer.concat([head, Buffer.from(place)]));
const sealed = [head, nonce, e.update(Buffer.from(plain, "base64")), e.final(), e.getAuthTag()];
process.stdout.write(Buffer.concat(sealed).toString("base64"));
"""


@pytest.fixture
def ring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "key")


def published() -> Iterator[Mapping[str, bytes]]:
    """Yield NIST's cases for keys of 256 bits, nonces of 96 and tags of 128."""
    where = Path(cryptography_vectors.__file__).parent / "ciphers/AES/GCM/gcmDecrypt256.rsp"
    sizes: dict[str, str] = {}
    case: dict[str, bytes] = {}
    for line in where.read_text().splitlines():
        if line.startswith("[") and "=" in line:
            name, value = line.strip("[]").split(" = ")
            sizes[name] = value
        elif line.startswith(("Key", "IV", "CT", "AAD", "Tag", "PT")):
            name, _, value = line.partition(" =")
            case[name] = bytes.fromhex(value)
        elif case and not line:
            if (sizes["IVlen"], sizes["Taglen"]) == ("96", "128"):
                yield case
            case = {}


def test_nists_vectors_open_or_do_not_open_as_published() -> None:
    cases = list(published())
    wrong = []
    for case in cases:
        key, nonce, text, tag, extra = (case[name] for name in ("Key", "IV", "CT", "Tag", "AAD"))
        try:
            found: bytes | None = cipher_of(key).decrypt(nonce, text + tag, extra)
        except InvalidTag:
            found = None
        if found != case.get("PT"):
            wrong.append(case)
    assert not wrong
    assert len([case for case in cases if "PT" not in case]) > 100
    assert len(cases) > 300


def by_node(script: str, *words: str) -> bytes:
    folder = str(Path(sys.executable).parent)
    node = shutil.which("node", path=folder) or shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    return subprocess.run([node, "-e", script, *words], capture_output=True, check=True).stdout


def key_in(path: Path) -> tuple[str, str]:
    """Return the id and the base64 of the key in a file."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    key_id, material = lines[0].split()
    return key_id, material


def test_another_implementation_opens_what_is_sealed(ring: Keyring) -> None:
    sealed = base64.b64encode(ring.seal(PLAIN, PLACE)).decode()
    assert by_node(OPENED_BY_NODE, key_in(ring.path)[1], sealed, PLACE) == PLAIN


def test_what_another_implementation_seals_is_opened(ring: Keyring) -> None:
    ring.test()
    key_id, key = key_in(ring.path)
    sealed = by_node(SEALED_BY_NODE, key, key_id, PLACE, base64.b64encode(PLAIN).decode())
    assert ring.open(base64.b64decode(sealed), PLACE) == PLAIN


def test_row_14_of_security_every_changed_bit_keeps_it_closed(ring: Keyring) -> None:
    sealed = ring.seal(PLAIN, PLACE)
    for place in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises((SealBroken, KeyMissing)):
            ring.open(bytes(changed), PLACE)


def test_what_is_cut_off_or_added_to_stays_closed(ring: Keyring) -> None:
    sealed = ring.seal(PLAIN, PLACE)
    for other in (*(sealed[:end] for end in range(len(sealed))), sealed + b"\0"):
        with pytest.raises(SealBroken):
            ring.open(other, PLACE)


def test_row_14_of_security_what_is_sealed_for_one_place_opens_in_no_other(ring: Keyring) -> None:
    here, there = ring.seal(b"first", PLACE), ring.seal(b"second", f"{PLACE}2")
    assert (ring.open(here, PLACE), ring.open(there, f"{PLACE}2")) == (b"first", b"second")
    for sealed, place in ((here, f"{PLACE}2"), (there, PLACE)):
        with pytest.raises(SealBroken, match="stands in another's place"):
            ring.open(sealed, place)


def test_equal_values_do_not_look_equal(ring: Keyring) -> None:
    assert len({ring.seal(PLAIN, PLACE) for _ in range(100)}) == 100


def test_a_wrong_key_is_told_by_the_id_of_the_right_one(ring: Keyring, tmp_path: Path) -> None:
    sealed = ring.seal(PLAIN, PLACE)
    other = Keyring(tmp_path / "other")
    other.test()
    with pytest.raises(KeyMissing, match=f"the key {ring.key_id} is wanted"):
        other.open(sealed, PLACE)


def test_a_key_is_made_for_its_user_alone_when_it_is_first_needed(ring: Keyring) -> None:
    ring.need([])
    assert not ring.path.exists()
    ring.seal(PLAIN, PLACE)
    assert ring.path.stat().st_mode & 0o7777 == 0o600
    key_id, material = key_in(ring.path)
    digest = blake2b(base64.b64decode(material), digest_size=8, person=b"tinyforge-key-id")
    assert key_id == digest.hexdigest() == ring.key_id


def test_of_many_that_make_the_key_at_once_one_does(tmp_path: Path) -> None:
    rings = [Keyring(tmp_path / "key") for _ in range(16)]
    threads = [Thread(target=ring.test) for ring in rings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({ring.key_id for ring in rings}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_key_file_that_others_may_read_is_refused(ring: Keyring) -> None:
    ring.test()
    ring.path.chmod(0o640)
    with pytest.raises(Refused, match=f"chmod 600 {ring.path}"):
        Keyring(ring.path).test()


def test_a_key_file_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"cannot be made: No such file.*TINYFORGE_KEY_FILE"):
        Keyring(tmp_path / "nowhere" / "key").test()


@pytest.mark.parametrize("harm", ["", "# nothing\n", "0123456789abcdef AAAA\n", "one two three\n"])
def test_a_key_file_that_is_none_is_refused(ring: Keyring, harm: str) -> None:
    ring.test()
    ring.path.write_text(harm)
    with pytest.raises(Refused, match="is no key file"):
        Keyring(ring.path).test()


def test_a_mistyped_key_is_not_taken_for_another_one(ring: Keyring) -> None:
    ring.test()
    text = ring.path.read_text()
    key_id, material = key_in(ring.path)
    letter = "B" if material[0] == "A" else "A"
    ring.path.write_text(text.replace(material, letter + material[1:]))
    with pytest.raises(Refused, match="or one that was changed"):
        Keyring(ring.path).open(b"\1" + bytes.fromhex(key_id) + bytes(40), PLACE)


def test_a_rotation_puts_a_new_key_first_and_keeps_the_old_one_aside(ring: Keyring) -> None:
    sealed, old = ring.seal(PLAIN, PLACE), ring.key_id
    new = ring.begin_rotation()
    assert ring.ids == (new, old)
    assert key_of(ring.seal(PLAIN, PLACE)) == new
    assert ring.open(sealed, PLACE) == PLAIN
    (kept,) = ring.end_rotation()
    assert Keyring(ring.path).ids == (new,)
    assert Keyring(ring.path).open(sealed, PLACE) == PLAIN, "older backups want it"
    kept.unlink()
    with pytest.raises(KeyMissing):
        Keyring(ring.path).open(sealed, PLACE)


def test_a_rotation_that_was_begun_goes_on_with_its_key(ring: Keyring) -> None:
    ring.test()
    new = ring.begin_rotation()
    assert Keyring(ring.path).begin_rotation() == new
    assert len(Keyring(ring.path).ids) == 2


def test_another_process_sees_a_key_that_came_after_it_looked(ring: Keyring) -> None:
    ring.test()
    other = Keyring(ring.path)
    other.test()
    ring.begin_rotation()
    assert other.open(ring.seal(PLAIN, PLACE), PLACE) == PLAIN


def test_keys_are_not_shown(ring: Keyring) -> None:
    ring.test()
    assert key_in(ring.path)[1] not in repr(vars(ring))


def test_the_library_is_imported_when_something_is_sealed_and_not_before(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from tinyforge.sealing import Keyring;"
        "import tinyforge.server.running, tinyforge.engine.vault;"
        f"ring = Keyring(Path({str(tmp_path / 'key')!r})); ring.need([]);"
        "before = 'cryptography' in sys.modules; ring.test();"
        "print([before, 'cryptography' in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.lower()) == [False, True]


def test_a_kill_leaves_the_old_key_file_or_the_new_one(ring: Keyring) -> None:
    sealed = ring.seal(PLAIN, PLACE)
    program = (
        "from pathlib import Path; from tinyforge.sealing import Keyring;"
        f"ring = Keyring(Path({str(ring.path)!r})); print('begun', flush=True)\n"
        "while True: ring.begin_rotation(); ring.end_rotation()"
    )
    for turn in range(5):
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as rotating:
            assert rotating.stdout is not None
            rotating.stdout.readline()
            kept = len(list(ring.path.parent.iterdir()))
            while len(list(ring.path.parent.iterdir())) < kept + turn:
                os.sched_yield()
            rotating.send_signal(signal.SIGKILL)
        assert Keyring(ring.path).open(sealed, PLACE) == PLAIN
        assert len(Keyring(ring.path).ids) in {1, 2}


def test_the_key_lies_in_the_data_folder_unless_it_is_given() -> None:
    assert Settings(data=Path("/d")).key_path == Path("/d/key")
    assert Settings(data=Path("/d"), key_file=Path("/k")).key_path == Path("/k")
