"""Fixtures that every test may use: databases, a browser, server processes.

A server that is missing skips the tests that need it on a desk and fails them under CI, so that a
green CI run has tested everything.
"""

import atexit
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import settings
from playwright.async_api import Browser, Page

from tests.servers.chromium import find_chromium, launch_chromium
from tests.servers.postgres import PostgresServer, find_postgres
from tests.servers.processes import ServerProcess
from tests.servers.templates import migrated_file

# A busy machine is no failure; under CI Hypothesis takes its own profile, which repeats itself.
settings.register_profile("desk", deadline=None)
if not os.environ.get("CI"):
    settings.load_profile("desk")

if sys.dont_write_bytecode:
    # Without it every process that a test starts compiles the package anew, which takes longer than its work.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="wxgate-bytecode-")
    atexit.register(shutil.rmtree, os.environ["PYTHONPYCACHEPREFIX"], ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL for this session."""
    tools = find_postgres()
    if tools is None:
        _missing("PostgreSQL")
    with PostgresServer(tools) as server:
        yield server


@pytest.fixture
def migrated(request: pytest.FixtureRequest) -> bool:
    """Whether a fresh database has its schema already."""
    return request.node.get_closest_marker("unmigrated") is None


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, migrated: bool) -> Iterator[str]:
    """The address of a fresh PostgreSQL database without rows."""
    url = postgres_server.create_migrated_database() if migrated else postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path, migrated: bool) -> str:
    """The address of a fresh SQLite database without rows; the file exists only if it is migrated."""
    path = tmp_path / "test.db"
    return f"sqlite+aiosqlite:///{migrated_file(path) if migrated else path}"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a fresh database; the test runs once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser of the test's own, in the test's event loop."""
    executable = find_chromium()
    if executable is None:
        _missing("Chromium")
    async with launch_chromium(executable) as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """An empty page of a Chinese visitor."""
    context = await browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    yield await context.new_page()
    await context.close()


@pytest.fixture
def wxgate_process(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Make `wxgate` processes that are gone after the test; a failing test shows what they wrote."""
    processes: list[ServerProcess] = []

    def make(*arguments: str | Path, **options: Any) -> ServerProcess:
        log_file = tmp_path / f"process-{len(processes)}.log"
        processes.append(ServerProcess.wxgate(*arguments, log_file=log_file, cwd=tmp_path, **options))
        return processes[-1]

    yield make
    for process in processes:
        process.kill()
        print(f"--- {process.log_file.name}\n{process.output()}")


def _missing(name: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed: CI must test with it, see scripts/install-test-servers.sh")
    pytest.skip(f"{name.upper()} IS NOT INSTALLED, so this is not tested; `make test` as root installs it")
