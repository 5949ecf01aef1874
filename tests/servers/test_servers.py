"""The servers that other tests rely on do what they promise."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from tests.servers.postgres import PostgresServer, find_postgres
from tests.servers.processes import ServerProcess

HTTP_SERVER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]


async def _scalar(url: str, sql: str) -> object:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            return (await connection.execute(text(sql))).scalar()
    finally:
        await engine.dispose()


async def _execute(url: str, sql: str) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(sql))
    finally:
        await engine.dispose()


@pytest.mark.parametrize("life", [1, 2])
async def test_every_test_gets_an_empty_database(database_url: str, life: int) -> None:
    await _execute(database_url, "CREATE TABLE here (life INTEGER)")
    await _execute(database_url, f"INSERT INTO here VALUES ({life})")
    assert await _scalar(database_url, "SELECT count(*) FROM here") == 1


@pytest.fixture
def own_postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A server of the test's own, so that its death disturbs nobody."""
    tools = find_postgres()
    assert tools
    with PostgresServer(tools) as server:
        yield server


@pytest.mark.postgres
@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.kill])
async def test_a_database_survives_the_death_of_its_server(
    own_postgres: PostgresServer, end: Callable[[PostgresServer], None]
) -> None:
    url = own_postgres.create_database()
    await _execute(url, "CREATE TABLE kept AS SELECT 7 AS number")
    end(own_postgres)
    with pytest.raises(ConnectionError):
        await _scalar(url, "SELECT 1")
    own_postgres.start()
    assert await _scalar(url, "SELECT number FROM kept") == 7


@pytest.mark.browser
async def test_a_page_is_read_by_the_browser(page: Page) -> None:
    await page.goto(
        "data:text/html;charset=utf-8,<title>授权</title><script>document.title+=navigator.language</script>"
    )
    assert await page.title() == "授权zh-CN"


async def test_a_process_is_ready_when_started_and_gone_when_terminated(tmp_path: Path) -> None:
    process = ServerProcess(
        HTTP_SERVER, log_file=tmp_path / "log", ready="http://127.0.0.1:{port}/", cwd=tmp_path
    )
    await process.start()
    try:
        assert await process.terminate() == -signal.SIGTERM
        assert not process.running
        assert "GET / HTTP/1.1" in process.output()
    finally:
        process.kill()


async def test_a_process_restarts_on_its_port_after_a_kill(tmp_path: Path) -> None:
    process = ServerProcess(
        HTTP_SERVER, log_file=tmp_path / "log", ready="http://127.0.0.1:{port}/", cwd=tmp_path
    )
    await process.start()
    try:
        process.kill()
        assert process.exit_code == -signal.SIGKILL
        await process.start()
        socket.create_connection(("127.0.0.1", process.port), timeout=2).close()
    finally:
        process.kill()


async def test_a_paused_process_answers_when_it_goes_on(tmp_path: Path) -> None:
    process = ServerProcess(
        HTTP_SERVER, log_file=tmp_path / "log", ready="http://127.0.0.1:{port}/", cwd=tmp_path
    )
    await process.start()
    try:
        process.pause()
        with pytest.raises(AssertionError, match="did not answer"):
            await process.wait_until_ready(within=0.3)
        process.resume()
        await process.wait_until_ready()
    finally:
        process.kill()


async def test_a_process_that_ends_at_once_shows_what_it_wrote(tmp_path: Path) -> None:
    process = ServerProcess(
        [sys.executable, "-c", "raise SystemExit('no such platform')"], log_file=tmp_path / "log"
    )
    with pytest.raises(AssertionError, match="no such platform"):
        await process.start()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a child that its parent died")
async def test_a_process_dies_with_the_tests_that_started_it(tmp_path: Path) -> None:
    child_log = tmp_path / "child"
    script = f"""
import os, signal, time
from pathlib import Path
from tests.servers.processes import ServerProcess
command = ["bash", "-c", "echo $$; exec sleep 60"]
process = ServerProcess(command, log_file=Path({str(child_log)!r}))
process.spawn()
while not process.output():
    time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False, timeout=60)
    child = int(child_log.read_text())
    async with asyncio.timeout(30):
        while _alive(child):  # noqa: ASYNC110 (a process of nobody's gives no event)
            await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
