"""A short chaos run violates nothing, and a gateway with a broken promise is found out."""

from pathlib import Path

import pytest

from tests.chaos.run import Options, run

pytestmark = pytest.mark.slow


@pytest.mark.postgres
async def test_nodes_on_postgres_keep_their_promises_through_chaos(
    tmp_path: Path, postgres_server: object
) -> None:
    report = await run(Options(seconds=12, seed=11, engine="postgres"), tmp_path)
    assert report.violations == []
    assert report.counts["renewals: due"] > 0
    assert sum(report.faults.values()) > 8


async def test_processes_on_sqlite_keep_their_promises_through_chaos(tmp_path: Path) -> None:
    report = await run(Options(seconds=6, seed=12, engine="sqlite", nodes=2, users=3), tmp_path)
    assert report.violations == []
    assert report.counts["renewals: due"] > 0


@pytest.mark.parametrize(
    ("sabotage", "nodes", "said"),
    [
        ("event", 1, "was acknowledged and is not in the database"),
        ("lease", 2, "was good and known"),
        ("issuer", 1, "the token of another"),
    ],
)
async def test_a_gateway_with_a_broken_promise_is_found_out(
    tmp_path: Path, sabotage: str, nodes: int, said: str
) -> None:
    """What ends every run is enough to notice; it needs no faults and no luck."""
    options = Options(seconds=0, seed=13, engine="sqlite", nodes=nodes, sabotage=sabotage)
    violations = (await run(options, tmp_path)).violations
    assert any(said in each for each in violations), violations
