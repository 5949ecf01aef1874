"""Platforms, direct accounts and what WeChat told of accounts: what is put comes back, secrets and all."""

from dataclasses import replace

from tests.store.moments import NOW, after
from tests.store.test_authorizations import authorize
from wxgate.custody.records import AccountInfo, DirectAccount, Platform, PushCredentials
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import AppSecret, EncodingAESKey, PushToken, Secret
from wxgate.store import Store

PUSH = PushCredentials(
    (PushToken("current-token"), PushToken("previous-token")),
    (EncodingAESKey("k" * 43), EncodingAESKey("p" * 43)),
)
PLATFORM = Platform("wxplatform", "平台", AppSecret("platform-secret"), PUSH, Secret("redirect-key"), NOW)
DIRECT = DirectAccount(
    appid="wxdirect",
    name="A shop",
    secret=AppSecret("direct-secret"),
    user_name="gh_1",
    push=PushCredentials((PushToken("token"),)),
    mode=Mode.COMPATIBLE,
    format=Format.JSON,
    created_at=NOW,
)
INFO = AccountInfo(
    appid="wxaccount",
    kind="mini_program",
    nick_name="小程序 🎉",
    user_name="gh_2",
    head_img="",
    principal_name="公司",
    raw={"nick_name": "小程序 🎉", "nested": {"list": [1, None, True]}},
    fetched_at=NOW,
)


async def test_what_was_never_put_is_not_there(store: Store) -> None:
    assert await store.platforms.load_platform("wxplatform") is None
    assert await store.platforms.load_direct("wxdirect") is None
    assert await store.accounts.load("wxaccount") is None


async def test_a_platform_comes_back_with_its_secrets(store: Store) -> None:
    await store.platforms.put_platform(PLATFORM)
    assert await store.platforms.load_platform("wxplatform") == PLATFORM


async def test_a_platform_put_again_is_replaced_but_for_when_it_was_made(store: Store) -> None:
    await store.platforms.put_platform(PLATFORM)
    renamed = replace(PLATFORM, name="new", secret=AppSecret("rotated"), created_at=after(60))
    await store.platforms.put_platform(renamed)
    assert await store.platforms.load_platform("wxplatform") == replace(renamed, created_at=NOW)


async def test_platforms_are_listed_by_appid(store: Store) -> None:
    for appid in ("wxb", "wxa", "wxc"):
        await store.platforms.put_platform(replace(PLATFORM, appid=appid))
    assert [platform.appid for platform in await store.platforms.list_platforms()] == ["wxa", "wxb", "wxc"]


async def test_a_direct_account_comes_back_with_its_secrets(store: Store) -> None:
    await store.platforms.put_direct(DIRECT)
    assert await store.platforms.load_direct("wxdirect") == DIRECT


async def test_a_direct_account_put_again_is_replaced(store: Store) -> None:
    await store.platforms.put_direct(DIRECT)
    changed = replace(DIRECT, mode=Mode.SAFE, format=Format.XML, push=PUSH)
    await store.platforms.put_direct(changed)
    assert list(await store.platforms.list_directs()) == [changed]


async def test_a_platform_and_a_direct_account_may_have_the_same_appid(store: Store) -> None:
    await store.platforms.put_platform(replace(PLATFORM, appid="wxboth"))
    await store.platforms.put_direct(replace(DIRECT, appid="wxboth"))
    assert await store.platforms.load_platform("wxboth") == replace(PLATFORM, appid="wxboth")
    assert await store.platforms.load_direct("wxboth") == replace(DIRECT, appid="wxboth")


async def test_what_wechat_told_of_an_account_comes_back_whole(store: Store) -> None:
    await store.accounts.put(INFO)
    assert await store.accounts.load("wxaccount") == INFO


async def test_account_information_is_replaced_and_listed_by_appid(store: Store) -> None:
    later = replace(INFO, nick_name="renamed", raw={}, fetched_at=after(60))
    for info in (INFO, replace(INFO, appid="wxa"), later):
        await store.accounts.put(info)
    assert list(await store.accounts.list()) == [replace(INFO, appid="wxa"), later]


async def test_a_name_no_engine_could_store_is_kept_readable(store: Store) -> None:
    await store.accounts.put(replace(INFO, nick_name="a\0b\ud800c"))
    loaded = await store.accounts.load("wxaccount")
    assert loaded is not None
    assert loaded.nick_name == "a\ufffdb?c"


async def test_accounts_that_nobody_knows_are_named_by_their_latest_change(store: Store) -> None:
    for seconds, appid in ((0, "wxold"), (60, "wxaccount"), (120, "wxnew")):
        await authorize(store, appid=appid, at=seconds)
    await store.accounts.put(INFO)
    assert await store.accounts.unknown(since=after(-1), limit=9) == [
        ("wxplatform", "wxnew"), ("wxplatform", "wxold"),
    ]  # fmt: skip
    assert await store.accounts.unknown(since=after(1), limit=9) == [("wxplatform", "wxnew")]
    assert await store.accounts.unknown(since=after(-1), limit=1) == [("wxplatform", "wxnew")]
