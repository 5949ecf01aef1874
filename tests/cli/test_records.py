"""Platforms, accounts, invites, tokens and calls by command, against a world that runs."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.cli.conftest import Cli
from tests.harness import Harness, World

APPID = "wx1234567890abcdef"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Both sides, with their database in the folder the commands run in."""
    async with Harness(tmp_path) as world:
        yield world


async def authorized(world: World) -> str:
    """Let an account authorise the platform; return its appid."""
    appid = str((await world.add_account())["appid"])
    await world.authorize(appid)
    await world.node.exchanges.close()  # which waits for the exchange that the push has begun
    return appid


async def test_a_platform_is_added_and_tells_what_to_paste(cli: Cli) -> None:
    done = await cli(
        *("platform", "add", "--appid", APPID, "--name", "Acme", "--secret", "-", "--generate", "--json"),
        stdin="s3cret\n",
        env={"WXGATE_PUBLIC_BASE_URL": "https://wx.example.com"},
    )
    assert done.code == 0, done.err
    assert done.json["authorize_domain"] == "wx.example.com"
    assert done.json["events_url"] == f"https://wx.example.com/wechat/{APPID}/events"
    assert done.json["messages_url"] == f"https://wx.example.com/wechat/{APPID}/messages/$APPID$"
    assert "s3cret" not in done.out
    assert all(value.startswith("…") for value in done.json["tokens"] + done.json["aes_keys"])


async def test_a_changed_key_keeps_the_one_before(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    env = {"WXGATE_SECRET_FILE": str(tmp_path / "secret")}
    add = ("platform", "add", "--appid", APPID)
    assert (await cli(*add, "--token", "first", "--aes-key", KEY, env=env)).code == 0
    changed = await cli(*add, "--token", "second", "--reveal", "--json")
    assert changed.json["tokens"] == ["second", "first"]
    assert changed.json["aes_keys"] == [KEY]
    assert changed.json["secret"] == "s3cret"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--secret", "x", "--token", "t0k", "--aes-key", KEY[:-1]), "43"),
        (("--secret", "x", "--token", "no spaces!", "--aes-key", KEY), "3 to 32"),
        (("--token", "t0k", "--aes-key", KEY), "--secret-file"),
    ],
)
async def test_a_platform_with_bad_or_missing_credentials_is_refused(
    cli: Cli, given: tuple[str, ...], told: str
) -> None:
    done = await cli("platform", "add", "--appid", APPID, *given)
    assert done.code == 1
    assert told in done.err


async def test_a_platform_shows_its_ticket_and_tokens(cli: Cli, world: World) -> None:
    cli.use(world)
    appid = world.platform.appid
    assert (await cli("token", appid, "--platform")).code == 0
    shown, listed, unknown = await asyncio.gather(
        cli("platform", "show", appid, "--json"),
        cli("platform", "list"),
        cli("platform", "show", "wx0000000000000000"),
    )
    assert shown.json["ticket_health"] == "good"
    assert shown.json["component_token_expires_at"] is not None
    assert appid in listed.out
    assert "good" in listed.out
    assert unknown.code == 1
    assert "platform add" in unknown.err


async def test_an_authorised_account_is_shown_called_and_given_a_token(cli: Cli, world: World) -> None:
    cli.use(world)
    appid = await authorized(world)
    listed, shown, token, masked, answer = await asyncio.gather(
        cli("account", "list", "--json"),
        cli("account", "show", appid, "--json"),
        cli("token", appid, "--reveal"),
        cli("token", appid, "--json"),
        cli("call", appid, "GET", "cgi-bin/user/get", "--json"),
    )
    rows = [(row["appid"], row["issuer"], row["state"]) for row in listed.json]
    assert rows == [(appid, world.platform.appid, "active")]
    assert shown.json["info"]["nick_name"] == "晨光咖啡馆"
    right = shown.json["authorizations"][0]
    assert {"id", "name"} == right["permission_sets"][0].keys()
    assert right["refresh_token_history"]
    assert answer.json["total"] == 0
    good = {"access_token": token.out.strip()}
    async with world.http.get(f"{world.emulator.url}/cgi-bin/user/get", params=good) as checked:
        assert "errcode" not in await checked.json(content_type=None)

    assert masked.json["access_token"].startswith("…")
    assert 0 < masked.json["expires_in"] <= 7200


async def test_wechats_refusal_comes_with_advice(cli: Cli, world: World, tmp_path: Path) -> None:
    cli.use(world)
    appid = await authorized(world)
    (tmp_path / "message.json").write_text(json.dumps({"touser": "oNobody", "msgtype": "text", "text": {}}))
    send = ("call", appid, "POST", "cgi-bin/message/custom/send", "--json-body", "@message.json")
    done = await cli(*send, "--json")
    assert done.code == 1
    assert done.json["error"]["errcode"] == 40003
    assert done.json["error"]["hint"]


async def test_nobody_acts_for_a_stranger(cli: Cli) -> None:
    done = await cli("call", "wx0000000000000000", "GET", "cgi-bin/user/get")
    assert done.code == 1
    assert "nobody may act" in done.err
    assert "wxgate invite" in done.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("call", APPID, "DELETE", "x"), "GET, POST"),
        (("call", APPID, "GET", "x", "--param", "novalue"), "NAME=VALUE"),
        (("call", APPID, "POST", "x", "--json-body", "{'a': 1}"), "not JSON"),
    ],
)
async def test_a_call_that_makes_no_sense_is_not_made(
    cli: Cli, arguments: tuple[str, ...], told: str
) -> None:
    done = await cli(*arguments)
    assert done.code in (1, 2)
    assert told in done.err


async def test_an_invite_opens_for_its_merchant(cli: Cli, world: World) -> None:
    cli.use(world)
    invite = ("invite", world.platform.appid, "--reference", "tenant-42")
    made, refused = await asyncio.gather(
        cli(*invite, "--days", "3", "--json"), cli(*invite, "--auth-type", "7")
    )
    assert made.json["url"].startswith(f"{world.gateway_url}/authorize/invite/")
    assert (await world.fetch(made.json["url"])).status == 200
    assert refused.code == 1
    assert "auth_type 7" in refused.err


async def test_a_direct_account_is_added_and_fetches_its_own_token(cli: Cli, world: World) -> None:
    cli.use(world)
    account = await world.add_account("自己的号")
    added = await cli(
        *("account", "add", "--appid", account["appid"], "--name", "Own", "--secret", "-", "--generate"),
        *("--user-name", account["user_name"], "--json"),
        stdin=account["secret"],
    )
    assert added.code == 0, added.err
    assert added.json["url"] == f"{world.gateway_url}/wechat/direct/{account['appid']}"
    token = (await cli("token", account["appid"], "--json")).json
    assert (token["issuer"], token["kind"]) == ("direct", "direct")


async def test_who_must_authorise_again_for_a_new_permission_set_is_listed(cli: Cli, world: World) -> None:
    cli.use(world)
    appid = str((await world.add_account())["appid"])
    await world.authorize(appid, func_ids=[1, 2])
    await world.node.exchanges.close()
    of_platform = ("--platform", world.platform.appid)
    shown = await cli("account", "missing-permission", "26", *of_platform, "--json")
    assert shown.json["lacking"][0]["appid"] == appid
    assert appid in (await cli("account", "missing-permission", "26", *of_platform)).out
    refused = await cli("account", "missing-permission", "26", "--platform", "wxnobody")
    assert refused.code == 1
    assert "no platform wxnobody" in refused.err
