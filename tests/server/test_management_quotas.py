"""Quotas over HTTP: read, and cleared ten times a month."""

from sqlalchemy import text

from tests.cast import add_direct, add_platform, authorize, authorized_account
from tests.harness import World
from tests.server.test_management import manager

SEND = "/cgi-bin/message/custom/send"


async def test_an_accounts_quota_is_read_for_the_paths_asked_about(gateway: World) -> None:
    account = await authorized_account(gateway)
    said = await (await manager(gateway)).get(f"/v1/accounts/{account['appid']}/quota?path={SEND}")
    assert said.status == 200, said.text
    [reading] = said.document["paths"]
    assert reading["path"] == SEND
    assert reading["remain"] == reading["daily_limit"] - reading["used"]
    assert said.document["clears"]["left"] == 10


async def test_a_platforms_quota_is_cleared_and_the_clearing_counted(gateway: World) -> None:
    boss, path = await manager(gateway), f"/v1/platforms/{gateway.platform.appid}/quota"
    said = await boss.post(f"{path}/clear", {"by": "secret"})
    assert (said.status, said.document["by"], said.document["clears"]["left"]) == (200, "secret", 9)
    assert (await boss.get(path)).document["clears"]["used"] == 1


async def test_the_eleventh_clearing_of_a_month_is_refused_here(gateway: World) -> None:
    direct, boss = await add_direct(gateway), await manager(gateway)
    path = f"/v1/accounts/{direct.appid}/quota/clear"
    for _ in range(10):
        assert (await boss.post(path, body=b"")).status == 200
    calls = len(await gateway.calls("/cgi-bin/clear_quota"))
    said = await boss.post(path, {})
    assert (said.status, said.error["code"]) == (429, "clears_used_up")
    assert "China time" in said.error["message"]
    assert len(await gateway.calls("/cgi-bin/clear_quota")) == calls


async def test_where_several_may_act_the_request_must_say_whose_quota(gateway: World) -> None:
    account = await authorized_account(gateway)
    await add_direct(gateway, account=account)
    boss, path = await manager(gateway), f"/v1/accounts/{account['appid']}/quota"
    for said in (await boss.get(path), await boss.post(f"{path}/clear", {})):
        assert (said.status, said.error["code"]) == (409, "several_issuers")
    assert (await boss.get(f"{path}?issuer=direct&path={SEND}")).document["issuer"] == "direct"


async def test_a_key_for_one_platform_learns_nothing_of_others_and_leaves_nothing_behind(
    gateway: World,
) -> None:
    other = await add_platform(gateway)
    account = await authorized_account(gateway, other)
    await authorize(gateway, account["appid"])
    narrow = await manager(gateway, platforms=(gateway.platform.appid,))
    said = await narrow.get(f"/v1/accounts/{account['appid']}/quota?path={SEND}")
    assert (said.status, said.document["issuer"]) == (200, gateway.platform.appid)
    said = await narrow.get(f"/v1/accounts/{account['appid']}/quota?issuer={other.appid}")
    assert (said.status, said.error["missing"]) == (403, f"platform:{other.appid}")
    async with gateway.node.store.database.read() as connection:
        before = await connection.scalar(text("SELECT count(*) FROM tokens"))
        said = await narrow.get("/v1/accounts/wx00000000000000ff/quota")
        assert said.status == 403
        assert await connection.scalar(text("SELECT count(*) FROM tokens")) == before


async def test_a_key_for_another_account_neither_reads_nor_clears(gateway: World) -> None:
    account = await authorized_account(gateway)
    narrow = await manager(gateway, accounts=("wx00000000000000cc",))
    for said in (
        await narrow.get(f"/v1/accounts/{account['appid']}/quota"),
        await narrow.post(f"/v1/accounts/{account['appid']}/quota/clear", {}),
        await narrow.post(f"/v1/platforms/{gateway.platform.appid}/quota/clear", {}),
    ):
        assert (said.status, said.error["code"]) == (403, "missing_scope")
    assert await gateway.calls("/cgi-bin/clear_quota") == []
