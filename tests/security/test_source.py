"""What must not stand in the source: found in its syntax trees, and in samples of what is bad."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

import tinyforge

HOUSE = Path(tinyforge.__file__).parent
FILES = sorted(HOUSE.rglob("*.py"))

SHELLS = re.compile(r"(os\.(system|popen|spawn\w*|exec\w*|posix_spawnp?))|(subprocess\.get\w*output)"
    r"|(.*\bcreate_subprocess_shell)|(.*\.subprocess_shell)|(pty\.spawn)|(eval|exec|compile|__import__)"
)  # fmt: skip
UNPICKLERS = {
    "pickle",
    "_pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "jsonpickle",
}
LOOSE_YAML = re.compile(
    r"(load|load_all|unsafe_load\w*|full_load\w*)|C?(Full|Unsafe)?Loader|C?Base(Loader)|UnsafeConstructor"
)
PROVES = re.compile(r"(.*_)?(sig|signature|token|h?mac|secret|password|proof)s?")


def dotted(node: ast.expr) -> str:
    """Return `a.b.c`, with what is no name left out."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".removeprefix(".")
    return node.id if isinstance(node, ast.Name) else ""


def text_of(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def shells(tree: ast.AST) -> Iterator[str]:
    """Yield what may hand text to a shell or run it as code, but for texts `sh -c` that are shown."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if SHELLS.fullmatch(name := dotted(node.func)):
                yield name
            for keyword in node.keywords:
                is_off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                is_account = dotted(node.func) == "Account"  # a login shell is one of its fields
                if keyword.arg == "shell" and not (is_off or is_account):
                    yield "shell="
        elif isinstance(node, ast.ImportFrom) and node.module in {"os", "subprocess", "asyncio"}:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if SHELLS.fullmatch(name))


def given_to_a_shell(tree: ast.AST) -> Iterator[str]:
    """Yield the function in which each list `[sh, -c, …]` stands."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            words = node.elts if isinstance(node, ast.List | ast.Tuple) else []
            for first, second in pairwise(words):
                if text_of(first).rpartition("/")[2].endswith("sh") and "c" in text_of(second)[:3]:
                    yield function.name


def unpicklers(tree: ast.AST) -> Iterator[str]:
    """Yield what would build objects that a text asks for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.partition(".")[0] in UNPICKLERS)
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").partition(".")[0]
            if module in UNPICKLERS:
                yield module
            if module == "yaml":
                yield from (one.name for one in node.names if LOOSE_YAML.fullmatch(one.name))
        elif isinstance(node, ast.Attribute) and LOOSE_YAML.fullmatch(node.attr):
            yield from [f"yaml.{node.attr}"] * (dotted(node.value) == "yaml")


def loose_comparisons(tree: ast.AST) -> Iterator[str]:
    """Yield names of what proves something where `==` may tell how much of it is right."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        sides = [node.left, *node.comparators]
        for sign, (left, right) in zip(node.ops, pairwise(sides), strict=True):
            pair = [dotted(side).rpartition(".")[2] for side in (left, right)]
            is_known = any(isinstance(side, ast.Constant) for side in (left, right))
            if isinstance(sign, ast.Eq | ast.NotEq) and not is_known:
                yield from (name for name in pair if PROVES.fullmatch(name.lower()))


def tree_of(path: Path) -> ast.AST:
    return ast.parse(path.read_text())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(HOUSE)))
def test_security_rows_1_8_and_26_hold_in_every_file(path: Path) -> None:
    tree = tree_of(path)
    assert not list(shells(tree))
    assert not list(unpicklers(tree))
    if HOUSE / "testing" not in path.parents:  # whose suites compare what they made themselves
        assert not list(loose_comparisons(tree))


def test_security_row_1_a_shell_is_only_named_where_an_error_shows_what_to_write() -> None:
    found = {
        (str(path.relative_to(HOUSE)), function)
        for path in FILES
        for function in given_to_a_shell(tree_of(path))
    }
    assert found == {("workloads/command.py", "_as_list")}


@pytest.mark.parametrize(
    "line",
    [
        "subprocess.run(x, shell=True)",
        "subprocess.Popen(x, shell=flag)",
        "os.system(x)",
        "os.popen(x)",
        "os.execvp(x, y)",
        "asyncio.create_subprocess_shell(x)",
        "loop.subprocess_shell(p, x)",
        "subprocess.getoutput(x)",
        "eval(x)",
        "exec(x)",
        "from os import system",
        "from asyncio import create_subprocess_shell",
    ],
)
def test_the_search_for_shells_finds(line: str) -> None:
    assert list(shells(ast.parse(line)))


@pytest.mark.parametrize(
    "words", ['["sh", "-c", x]', '("/bin/bash", "-lc", x)', '["env", "sh", "-ec", x]']
)
def test_the_search_for_lists_of_a_shell_finds(words: str) -> None:
    assert list(given_to_a_shell(ast.parse(f"def f(x): return {words}"))) == ["f"]


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from marshal import loads",
        "import yaml; yaml.load(x, yaml.CSafeLoader)",
        "import yaml; yaml.unsafe_load(x)",
        "from yaml import FullLoader",
        "from yaml import load",
        "from yaml import Loader",
    ],
)
def test_the_search_for_unpicklers_finds(line: str) -> None:
    assert list(unpicklers(ast.parse(line)))


@pytest.mark.parametrize(
    "line",
    ["signature == expected", "given != self.token", "a.b.secret == x", "x == y == hub_signature"],
)
def test_the_search_for_loose_comparisons_finds(line: str) -> None:
    assert list(loose_comparisons(ast.parse(line)))


@pytest.mark.parametrize(
    "line", ['secret == ""', "token is None", "tokens_left == 3", "name in secrets"]
)
def test_the_search_for_loose_comparisons_lets_pass(line: str) -> None:
    assert not list(loose_comparisons(ast.parse(line)))


CLIENTS = {
    *("aiohttp", "httpx", "requests", "urllib3", "urllib.request"),
    *("http.client", "ftplib", "smtplib"),
}


def clients(tree: ast.AST) -> Iterator[str]:
    """Yield libraries that call somebody and know nothing of our guard."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name in CLIENTS)
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
            yield from whole & CLIENTS | {node.module.partition(".")[0]} & CLIENTS


def test_security_row_6_a_server_calls_nobody_but_through_the_guarded_client() -> None:
    found = [path.relative_to(HOUSE) for path in FILES if any(clients(tree_of(path)))]
    rooms = {str(path) if path.parts[0] == "server" else path.parts[0] for path in found}
    # a command asks the server that a person names, and a server tries its own door
    assert rooms == {"outbound", "cli", "server/knocking.py"}


@pytest.mark.parametrize(
    "line",
    [
        "import aiohttp",
        "import http.client",
        "from http import client",
        "from aiohttp.abc import X",
    ],
)
def test_the_search_for_clients_finds(line: str) -> None:
    assert list(clients(ast.parse(line)))
