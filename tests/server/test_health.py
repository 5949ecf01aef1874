"""What machines ask: alive, ready, how old are the tickets, how much of what."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs

from tests.cast import add_follower, add_platform, another_node, authorized_account
from tests.harness import Harness, World
from tests.pushing import Sealer, component_event, metric, post
from tests.servers.postgres import PostgresServer
from tests.store.test_inbox import message
from tests.store.test_subscribers import subscriber
from wxgate import __version__
from wxgate.events.records import Fanout
from wxgate.store.tables import platforms

QUIET = {"ticket_interval": 1e9}


async def readiness(world: World) -> dict[str, Any]:
    """Ask whether the gateway is ready; it must be."""
    async with world.http.get(world.url("/readyz")) as answer:
        assert answer.status == 200
        told: dict[str, Any] = await answer.json()
        return told


async def test_health_tells_version_and_time(gateway: World) -> None:
    async with gateway.http.get(gateway.url("/healthz")) as answer:
        told = await answer.json()
    assert (answer.status, told["status"], told["version"]) == (200, "ok", __version__)
    assert abs(told["now"] - gateway.clock.now().timestamp()) < 5


async def test_a_platform_without_a_ticket_is_ready_and_shown_as_missing_one(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        assert (await readiness(world))["tickets"] == {
            world.platform.appid: {"health": "missing", "age_seconds": None}
        }
        assert await metric(world, "wxgate_ticket_age_seconds", platform=world.platform.appid) == -1


@pytest.mark.parametrize(
    ("age", "health"),
    [
        (timedelta(0), "good"),
        (timedelta(minutes=26), "late"),
        (timedelta(minutes=61), "alarm"),
        (timedelta(hours=12), "expired"),
    ],
)
async def test_the_age_of_a_ticket_is_shown_and_judged(tmp_path: Path, age: timedelta, health: str) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        await world.control("POST", "switches", QUIET)
        await world.push_ticket()
        await world.advance(age)
        told = (await readiness(world))["tickets"][world.platform.appid]
        assert told["health"] == health
        assert told["age_seconds"] == pytest.approx(age.total_seconds(), abs=5)
        shown = await metric(world, "wxgate_ticket_age_seconds", platform=world.platform.appid)
        assert shown == pytest.approx(age.total_seconds(), abs=5)


async def test_every_platform_has_its_own_ticket(gateway: World) -> None:
    other = await add_platform(gateway, ticket=False)
    tickets = (await readiness(gateway))["tickets"]
    assert {appid: each["health"] for appid, each in tickets.items()} == {
        gateway.platform.appid: "good",
        other.appid: "missing",
    }


@pytest.mark.postgres
async def test_a_gateway_without_its_database_is_alive_and_not_ready(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    url = postgres_server.create_database()
    async with Harness(tmp_path, database_url=url) as world:
        assert (await world.fetch("/readyz")).status == 200
        postgres_server.drop_database(url)
        with capture_logs():
            gone = await world.fetch("/readyz")
            assert (gone.status, gone.text) == (503, '{"status":"database_unreachable"}')
            assert (await world.fetch("/healthz")).status == 200
            assert (await world.fetch("/metrics")).status == 503
            push = await world.act("ticket", platform=world.platform.appid)
        assert [each["body"] for each in push["attempts"]] == ["try_again"]


async def test_the_metrics_are_in_prometheus_format_and_count_the_whole_cycle(gateway: World) -> None:
    account = await authorized_account(gateway)
    follower = await add_follower(gateway, account["appid"])
    await follower.writes()
    page = await gateway.fetch("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    platform = gateway.platform.appid
    for name, labels in [
        ("wxgate_pushes_total", {"receiver": "platform", "result": "component_verify_ticket"}),
        ("wxgate_pushes_total", {"receiver": "platform", "result": "authorized"}),
        ("wxgate_pushes_total", {"receiver": "platform", "result": "success"}),
        ("wxgate_messages_total", {"kind": "message", "outcome": "silent"}),
        ("wxgate_token_renewals_total", {"kind": "component", "result": "renewed"}),
        ("wxgate_authorizations_total", {"platform": platform, "change": "authorized"}),
    ]:
        assert await metric(gateway, name, **labels) == 1, (name, labels)
    assert await metric(gateway, "wxgate_push_seconds_count") == 3


async def test_what_strangers_send_cannot_make_new_series(gateway: World) -> None:
    async def series() -> int:
        page = await gateway.fetch("/metrics")
        return sum(line.startswith("wxgate_pushes_total{") for line in page.text.splitlines())

    for path in ("a/events", "b/c/d/e", "direct/x", "%00/events"):
        await gateway.fetch(f"/wechat/{path}", method="POST")
    before = await series()
    for number in range(30):
        for path in (f"wx{number}/events", f"{number}/messages/{number}", f"direct/{number}", f"%00{number}"):
            await gateway.fetch(f"/wechat/{path}", method="POST")
    assert await series() == before > 0


@contextmanager
def full_disk() -> Iterator[None]:
    """Let no file of this process grow past what not even one page of a log fits in, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_gateway_that_cannot_write_is_not_ready_until_it_can(tmp_path: Path) -> None:
    async with Harness(tmp_path, ticket=False) as world:
        await world.node.runner.stop()  # it, too, would find out
        with full_disk(), capture_logs():
            assert (await world.fetch("/readyz")).status == 200  # nobody has tried yet
            push = await world.act("ticket", platform=world.platform.appid)
            assert push["attempts"][0]["body"] == "try_again"
            for _ in range(2):
                told = await world.fetch("/readyz")
                assert (told.status, told.text) == (503, '{"status":"database_unreachable"}')
        await readiness(world)


async def test_a_platform_whose_row_does_not_open_is_named_and_stops_nobody_else(gateway: World) -> None:
    other = await add_platform(gateway)
    async with gateway.node.store.database.write() as connection:
        spoilt = update(platforms).where(platforms.c.appid == other.appid).values(secret=b"\x01nonsense")
        await connection.execute(spoilt)
    async with another_node(gateway) as (_, url):
        with capture_logs():
            async with gateway.http.get(f"{url}/readyz") as answer:
                told = await answer.json()
            assert (answer.status, told["status"], told["degraded"]) == (200, "degraded", [other.appid])
            assert list(told["tickets"]) == [gateway.platform.appid]
            for platform, status in ((gateway.platform, 200), (other, 503)):
                ticket = component_event(
                    platform.appid, "component_verify_ticket", at=1, ComponentVerifyTicket="ticket@@@new"
                )
                letter = Sealer.of_platform(gateway, platform).seal(ticket)
                answered = await post(gateway, f"/wechat/{platform.appid}/events", letter, base=url)
                assert answered.status == status, answered.text
                page = await gateway.fetch(f"{url}/authorize/{platform.appid}")
                assert page.status == status
            async with gateway.http.get(f"{url}/metrics") as answer:
                assert answer.status == 200


async def test_what_waits_for_subscribers_is_counted(gateway: World) -> None:
    store, now = gateway.node.store, gateway.clock.now()
    one = subscriber(created_at=now, updated_at=now)
    await store.subscribers.add(replace(one, paused=True))
    await store.inbox.record(
        message(received_at=now - timedelta(minutes=5)),
        holder="elsewhere",
        lease_until=now + timedelta(hours=1),
        fanout=[Fanout(one.id)],
    )
    assert await metric(gateway, "wxgate_deliveries_waiting", subscriber=one.id) == 1
    assert (await metric(gateway, "wxgate_deliveries_oldest_seconds", subscriber=one.id)) >= 300
    assert await metric(gateway, "wxgate_deliveries_dead", subscriber=one.id) == 0
