"""The configuration is changed while everything runs: secrets, keys and whole files, without a gap."""

import asyncio
from datetime import timedelta

import pytest

from tests.cast import add_direct, add_platform, another_node, authorized_account
from tests.harness import World
from tests.pushing import Sealer, post
from wxgate.custody.credentials import make_aes_key, make_token
from wxgate.custody.declared import Declaration, read_declaration
from wxgate.custody.edits import Effect, Kind
from wxgate.custody.registry import RECHECK
from wxgate.custody.sources import authorizer_key, component_key, direct_key
from wxgate.errors import BadFile, ConfigError, NotFound
from wxgate.secret import AppSecret


async def new_secret(world: World) -> AppSecret:
    """Reset the platform's AppSecret in WeChat's console."""
    secret = "f" * 32
    await world.control("POST", "platforms", {"appid": world.platform.appid, "secret": secret})
    return AppSecret(secret)


def declared(text: str) -> Declaration:
    return read_declaration(text, lambda reference: reference)


async def test_a_new_secret_is_tried_at_once_and_taken_up_by_running_nodes(world: World) -> None:
    appid = world.platform.appid
    async with another_node(world) as (node, _):
        before = await node.keeper.get(component_key(appid))
        secret = await new_secret(world)
        outcome = await world.node.configuration.set_secret(Kind.PLATFORM, appid, secret)
        assert [(one.appid, one.trouble) for one in outcome.renewals] == [(appid, "")]
        await world.advance(RECHECK)
        assert (await node.registry.require_platform(appid)).secret == secret
        after = await node.keeper.get(component_key(appid))
        assert after.version > before.version
        await world.advance(timedelta(hours=3))
        await world.push_ticket()
        assert (await node.keeper.get(component_key(appid))).version > after.version


async def test_a_wrong_secret_is_told_and_costs_no_token_that_works(world: World) -> None:
    appid = world.platform.appid
    before = await world.node.keeper.get(component_key(appid))
    outcome = await world.node.configuration.set_secret(Kind.PLATFORM, appid, AppSecret("wrong"))
    assert "errcode" in outcome.renewals[0].trouble
    assert "wrong" not in repr(outcome)
    assert await world.node.keeper.get(component_key(appid)) == before


async def test_without_a_token_to_renew_wechat_is_not_asked(world: World) -> None:
    platform = await add_platform(world, ticket=False)
    outcome = await world.node.configuration.set_secret(Kind.PLATFORM, platform.appid, AppSecret("wrong"))
    assert outcome.renewals == ()


async def test_a_direct_accounts_secret_is_changed_the_same_way(world: World) -> None:
    direct = await add_direct(world)
    await world.node.keeper.get(direct_key(direct.appid))
    outcome = await world.node.configuration.set_secret(Kind.ACCOUNT, direct.appid, AppSecret("wrong"))
    assert outcome.renewals[0].trouble
    outcome = await world.node.configuration.set_secret(Kind.ACCOUNT, direct.appid, direct.secret)
    assert outcome.renewals[0].trouble == ""


async def test_a_key_is_rotated_and_retired_without_losing_a_push(world: World) -> None:
    appid, path = world.platform.appid, f"/wechat/{world.platform.appid}/messages/wx1"
    token, key = make_token(), make_aes_key()
    old = Sealer.of_platform(world)
    new = old.other(token=token.reveal(), aes_key=key.reveal())

    async def statuses() -> list[int]:
        await world.advance(RECHECK)
        plain = "<xml><MsgType>text</MsgType></xml>"
        return [(await post(world, path, sealer.seal(plain))).status for sealer in (old, new)]

    assert await statuses() == [200, 403]
    await world.node.configuration.rotate(Kind.PLATFORM, appid, token=token, aes_key=key)
    assert await statuses() == [200, 200]
    with pytest.raises(ConfigError, match="WeChat used the previous"):
        await world.node.configuration.retire(Kind.PLATFORM, appid, token=True, aes_key=True)
    await world.advance(timedelta(days=1, minutes=1))
    await world.node.configuration.retire(Kind.PLATFORM, appid, token=True, aes_key=True)
    assert await statuses() == [403, 200]


async def test_a_platform_with_live_authorizations_is_removed_only_on_purpose_and_comes_back_with_them(
    world: World,
) -> None:
    appid = world.platform.appid
    account = (await authorized_account(world))["appid"]
    await world.node.keeper.get(authorizer_key(appid, account))
    with pytest.raises(ConfigError, match="1 accounts have authorised"):
        await world.node.configuration.remove(Kind.PLATFORM, appid)
    outcome = await world.node.configuration.remove(Kind.PLATFORM, appid, even_if_live=True)
    assert outcome.differences[0].effect is Effect.REMOVE
    await world.advance(RECHECK)
    with pytest.raises(NotFound):
        await world.node.keeper.get(authorizer_key(appid, account))
    answer = await post(world, f"/wechat/{appid}/events", Sealer.of_platform(world).seal("<xml/>"))
    assert answer.status == 404

    await world.node.store.platforms.put_platform(world.platform)
    await world.push_ticket()
    assert await world.node.keeper.get(authorizer_key(appid, account))


async def test_who_changes_what_is_not_there_is_told(world: World) -> None:
    with pytest.raises(NotFound, match="wxgate platform list"):
        await world.node.configuration.rename(Kind.PLATFORM, "wxnobody", "x")
    with pytest.raises(NotFound, match="wxgate account list"):
        await world.node.configuration.remove(Kind.ACCOUNT, "wxnobody")


async def test_two_changes_of_one_record_at_once_are_both_made(world: World) -> None:
    appid, token, key = world.platform.appid, make_token(), make_aes_key()
    configuration = world.node.configuration
    await asyncio.gather(
        configuration.rename(Kind.PLATFORM, appid, "renamed"),
        configuration.rotate(Kind.PLATFORM, appid, token=token),
        configuration.rotate(Kind.PLATFORM, appid, aes_key=key),
    )
    kept = await world.node.store.platforms.load_platform(appid)
    assert kept is not None
    assert (kept.name, kept.push.tokens[0], kept.push.aes_keys[0]) == ("renamed", token, key)


FILE = """
platforms:
  - {appid: wxnewplatform, name: New, secret: s1, tokens: [t0k], aes_keys: KEY}
accounts:
  - {appid: wxnewaccount, secret: s2, tokens: [t0k], mode: plaintext}
labels:
  - {appid: wxnewaccount, tags: [shops], hosts: [shop.example.com]}
""".replace("KEY", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG")


async def test_a_file_is_applied_once_and_leaves_what_it_does_not_name(world: World) -> None:
    apply = world.node.configuration.apply
    rehearsed = await apply(declared(FILE), dry_run=True)
    assert await world.node.store.platforms.load_platform("wxnewplatform") is None
    done = await apply(declared(FILE))
    assert [each.effect for each in done.differences] == [Effect.ADD, Effect.ADD, Effect.CHANGE]
    assert done.differences == rehearsed.differences
    again = await apply(declared(FILE))
    assert {each.effect for each in again.differences} == {Effect.UNCHANGED}
    assert await world.node.store.platforms.load_platform(world.platform.appid) == world.platform
    assert (await world.node.store.labels.load("wxnewaccount")).hosts == {"shop.example.com"}


async def test_one_new_token_leaves_the_old_one_good_and_two_are_exactly_these(world: World) -> None:
    appid = world.platform.appid
    before = world.platform.push.tokens[0].reveal()

    async def tokens_after(written: str) -> list[str]:
        await world.node.configuration.apply(
            declared(f"platforms:\n  - appid: {appid}\n    tokens: {written}\n")
        )
        kept = await world.node.store.platforms.load_platform(appid)
        assert kept is not None
        return [token.reveal() for token in kept.push.tokens]

    assert await tokens_after("newer") == ["newer", before]
    assert await tokens_after("newer") == ["newer", before]
    assert await tokens_after("[newest, newer]") == ["newest", "newer"]


async def test_a_file_that_lacks_something_changes_nothing(world: World) -> None:
    text = FILE + "  - {appid: wxlabel}\nplatforms2: []\n".replace("platforms2: []\n", "")
    text = text.replace(
        "accounts:\n", "  - {appid: wxlacking, name: x}\naccounts:\n  - {appid: wxlacking2}\n"
    )
    with pytest.raises(BadFile) as raised:
        await world.node.configuration.apply(declared(text))
    assert [each.line for each in raised.value.mistakes] == [4, 6]
    assert "wxlacking is new here and needs secret, tokens, aes_keys" in str(raised.value)
    assert await world.node.store.platforms.load_platform("wxnewplatform") is None


async def test_an_account_is_not_moved_to_a_mode_it_has_no_key_for(world: World) -> None:
    await world.node.configuration.apply(declared(FILE))
    with pytest.raises(BadFile, match="wxnewaccount needs aes_keys in mode safe"):
        await world.node.configuration.apply(declared("accounts:\n  - {appid: wxnewaccount, mode: safe}\n"))


async def test_what_changes_is_shown_without_secrets(world: World) -> None:
    text = f"platforms:\n  - {{appid: {world.platform.appid}, name: Neu, secret: s3cr3t, tokens: t0k3n}}\n"
    outcome = await world.node.configuration.apply(declared(text), dry_run=True)
    (shown,) = outcome.differences
    assert shown.fields == {"name": (world.platform.name, "Neu"), "secret": None, "push": None}
    assert not [secret for secret in ("s3cr3t", "t0k3n") if secret in repr(outcome)]
