"""Tokens go on being read while the database is away, and everything is written down once it is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.cast import authorized_account, until
from tests.harness import Harness
from tests.server.keys import holder
from tests.servers.postgres import PostgresServer, find_postgres
from wxgate.custody.clients import ClientScope
from wxgate.custody.memory import BRIDGED
from wxgate.server.admission import TRUSTED


@pytest.fixture
def own_server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """A PostgreSQL server that a test may stop, where there is one at all."""
    tools = find_postgres()
    assert tools is not None
    with PostgresServer(tools) as server:
        yield server


@pytest.mark.postgres
@pytest.mark.slow
async def test_tokens_are_read_on_while_the_database_is_away(
    tmp_path: Path, own_server: PostgresServer
) -> None:
    async with Harness(tmp_path, database_url=own_server.create_database()) as world:
        appid = (await authorized_account(world))["appid"]
        held, other = await holder(world, ClientScope.AUTHORIZER), await holder(world)
        path = f"/v1/accounts/{appid}/access-token"
        first = await held.get(path)
        assert first.status == 200
        with capture_logs():
            own_server.stop()
            await world.advance(TRUSTED)
            for _ in range(3):
                again = await held.get(path)
                assert again.status == 200, again.text
            refused = await other.get(path)  # a key this node has not seen
            assert (refused.status, refused.error["code"]) == (503, "storage_unavailable")
            await world.advance(BRIDGED)
            assert (await held.get(path)).status == 503
            own_server.start()
            await until(world.node.store.ping)

            async def served() -> bool:
                return (await held.get(path)).status == 200

            await until(served, seconds=10)
            await world.node.audit.flush()
        lines = await world.node.store.audit.read(client=held.client.id)
        assert sum(line.count for line in lines if line.outcome == "ok") >= 5
