"""The house stands: imports point down only, and clocks, chance and comparison have one door each."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src"

BASE = {"errors", "secret", "clock"}
DOMAINS = {"custody", "events", "login"}
BELOW_SERVER = BASE | {"settings", "logs", "protocol", "client", "store"} | DOMAINS

# What each room may import of wxgate besides itself; "face" is the package: Gateway, __version__ and so on.
MAY_IMPORT = {
    "errors": set(),
    "secret": set(),
    "clock": set(),
    "settings": BASE,
    "logs": BASE,
    "protocol": {"errors", "secret"},
    "client": BASE | {"protocol"},
    "custody": BASE | {"protocol", "client"},
    "events": BASE | {"protocol", "client"},
    "login": BASE | {"protocol", "client"},
    "store": BASE | {"protocol", "client"} | DOMAINS,
    "server": BELOW_SERVER | {"face"},
    "gateway": BELOW_SERVER | {"server", "face"},
    "face": BELOW_SERVER | {"server", "gateway"},
    "sdk": BASE | {"protocol"},
    "emulator": BASE | {"protocol"},
    "testing": BELOW_SERVER | {"server", "gateway", "face", "emulator"},
    "cli": BELOW_SERVER | {"server", "gateway", "face", "emulator", "sdk", "testing"},
    "__main__": {"cli"},
}

# The protocol is pure: what it needs from outside are arguments.
PROTOCOL_MAY_NOT_IMPORT = {
    *("asyncio", "threading", "subprocess", "time", "random", "secrets", "uuid"),
    *("os", "pathlib", "tempfile", "socket", "ssl", "http", "urllib.request"),
    *("aiohttp", "starlette", "uvicorn", "sqlalchemy", "structlog", "logging"),
}

# What is used, by the end of its dotted name, and the only modules that may.
ONLY_IN = {
    "datetime.now": ("wxgate.clock",),
    "datetime.utcnow": (),
    "datetime.today": (),
    "date.today": (),
    "time.time": ("wxgate.clock", "wxgate.emulator.clock"),
    "time.time_ns": ("wxgate.clock",),
    "hmac.compare_digest": ("wxgate.secret",),
    "secrets.compare_digest": (),
}


@dataclass(frozen=True, slots=True)
class Module:
    """One source file, by its dotted name."""

    name: str
    tree: ast.Module

    @property
    def room(self) -> str:
        return _room(self.name)


def _room(dotted: str) -> str:
    parts = dotted.split(".")
    return parts[1] if len(parts) > 1 else "face"


def _modules() -> Iterator[Module]:
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        yield Module(name, ast.parse(path.read_text("utf-8"), filename=str(path)))


def _imports(module: Module) -> Iterator[str]:
    """List the dotted names a module imports, wherever in it; `from a import b` counts as `a.b`."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}:{node.lineno} imports relatively; name the package"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _imported_rooms(module: Module) -> Iterator[str]:
    for name in _imports(module):
        root, _, rest = name.partition(".")
        if root == "wxgate":
            room = rest.partition(".")[0]
            yield room if room in MAY_IMPORT else "face"


def _used_names(module: Module) -> Iterator[str]:
    """List the dotted names a module uses or imports, shortened to their last two parts."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            yield ".".join(ast.unparse(node).split(".")[-2:])
    for name in _imports(module):
        yield ".".join(name.split(".")[-2:])


def violations(module: Module) -> list[str]:
    """List what a module does against the rules of this file."""
    if module.room not in MAY_IMPORT:
        return [f"{module.name}: a room that is in no layer; add it to MAY_IMPORT"]
    allowed = MAY_IMPORT[module.room] | {module.room}
    found = [f"{module.name} imports {room}" for room in _imported_rooms(module) if room not in allowed]
    if module.room == "protocol":
        found += [
            f"{module.name} imports {name}, and is not pure"
            for name in _imports(module)
            if f"{name}.".startswith(tuple(f"{other}." for other in PROTOCOL_MAY_NOT_IMPORT))
        ]
    found += [
        f"{module.name} uses {name}, which only {ONLY_IN[name] or 'nobody'} may"
        for name in _used_names(module)
        if module.name not in ONLY_IN.get(name, (module.name,))
    ]
    return found


def test_every_module_keeps_to_its_layer() -> None:
    modules = list(_modules())
    assert {module.room for module in modules} >= {"protocol", "client", "custody", "events"}
    assert [problem for module in modules for problem in violations(module)] == []


@pytest.mark.parametrize(
    ("name", "source", "problem"),
    [
        ("wxgate.protocol.aes", "from wxgate.clock import Clock", "imports clock"),
        ("wxgate.protocol.aes", "import secrets", "is not pure"),
        ("wxgate.protocol.aes", "from asyncio import sleep", "is not pure"),
        ("wxgate.protocol.aes", "import urllib.request", "is not pure"),
        ("wxgate.client.api", "from wxgate import store", "imports store"),
        ("wxgate.client.api", "import wxgate", "imports face"),
        ("wxgate.custody.keeper", "def f():\n    from wxgate.events.ports import Inbox", "imports events"),
        ("wxgate.custody.keeper", "import wxgate.store.engine", "imports store"),
        ("wxgate.events.reception", "from wxgate.custody import ports", "imports custody"),
        ("wxgate.store.tokens", "from wxgate.settings import Settings", "imports settings"),
        ("wxgate.server.app", "from wxgate.emulator.app import make_app", "imports emulator"),
        ("wxgate.emulator.app", "from wxgate.client.api import WeChatApi", "imports client"),
        ("wxgate.server.app", "from wxgate.testing import wechat", "imports testing"),
        ("wxgate.sdk.webhooks", "from wxgate.server.app import compose", "imports server"),
        ("wxgate.attic.things", "", "in no layer"),
        ("wxgate.server.app", "import datetime\nnow = datetime.datetime.now()", "uses datetime.now"),
        ("wxgate.server.app", "from time import time", "uses time.time"),
        ("wxgate.server.app", "import hmac\nhmac.compare_digest(b'', b'')", "uses hmac.compare_digest"),
        ("wxgate.clock", "from datetime import datetime\ndatetime.utcnow()", "uses datetime.utcnow"),
    ],
)
def test_a_violation_is_found(name: str, source: str, problem: str) -> None:
    found = violations(Module(name, ast.parse(source)))
    assert any(problem in text for text in found), found


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("wxgate.protocol.aes", "from cryptography.hazmat.primitives import padding"),
        ("wxgate.protocol.aes", "from urllib.parse import quote\nfrom datetime import UTC, datetime"),
        ("wxgate.custody.keeper", "import time\nfrom wxgate.client.api import WeChatApi\ntime.monotonic()"),
        ("wxgate.server.health", "from wxgate import __version__, store"),
        ("wxgate.cli.demo", "from wxgate.emulator.app import make_app"),
        ("wxgate.clock", "from datetime import UTC, datetime\ndatetime.now(UTC)"),
        ("wxgate", "from wxgate.gateway import Gateway"),
        ("wxgate.testing.world", "from wxgate.emulator.running import RunningEmulator"),
    ],
)
def test_what_is_allowed_is_not_found(name: str, source: str) -> None:
    assert violations(Module(name, ast.parse(source))) == []
