"""Realms, apps and clients of login: the contract of their port on both engines."""

from dataclasses import replace

from tests.store.login_rows import (
    ACCESS,
    APP,
    ATTEMPT,
    CLIENT,
    CODE,
    OPENID,
    REALM,
    SCAN,
    SESSION,
    SIGNING_KEY,
    UNIONID,
    put_session,
)
from tests.store.moments import NOW, after
from wxgate.login.records import Profile
from wxgate.secret import AppSecret
from wxgate.store import Store


async def test_a_realm_is_loaded_as_it_was_put_and_changed_but_for_its_beginning(store: Store) -> None:
    realms = store.login.realms
    await realms.put_realm(REALM)
    assert await realms.realm("shops") == REALM
    assert await realms.realm("nobody") is None
    await realms.put_realm(replace(REALM, title="新商城", created_at=after(9)))
    assert await realms.realm("shops") == replace(REALM, title="新商城")
    await realms.put_realm(replace(REALM, name="a-first"))
    assert [realm.name for realm in await realms.realms()] == ["a-first", "shops"]


async def test_an_app_keeps_its_secret_until_another_or_another_appid_is_given(store: Store) -> None:
    realms = store.login.realms
    await realms.put_app(APP)
    assert await realms.app("shop-web") == APP
    await realms.put_app(replace(APP, title="t", secret=None))
    assert await realms.app("shop-web") == replace(APP, title="t")
    await realms.put_app(replace(APP, secret=AppSecret("next")))
    assert await realms.app("shop-web") == replace(APP, secret=AppSecret("next"))
    await realms.put_app(replace(APP, appid="wxother", secret=None))
    assert await realms.app("shop-web") == replace(APP, appid="wxother", secret=None)


async def test_apps_are_listed_by_name_and_removed(store: Store) -> None:
    realms = store.login.realms
    plain = replace(APP, name="a-plain", secret=None)
    other = replace(APP, name="z-other", realm="other")
    for app in (other, APP, plain):
        await realms.put_app(app)
    assert list(await realms.apps()) == [plain, APP, other]
    assert list(await realms.apps("shops")) == [plain, APP]
    assert await realms.remove_app("a-plain")
    assert not await realms.remove_app("a-plain")
    assert await realms.app("a-plain") is None


async def test_a_client_is_loaded_as_it_was_put_and_listed_by_name(store: Store) -> None:
    realms = store.login.realms
    public = replace(
        CLIENT, id="wxcl_app", name="a", secret_hash=None, limits=None, disabled_at=None, realm="other"
    )
    await realms.put_client(CLIENT)
    await realms.put_client(public)
    assert await realms.client("wxcl_shop") == CLIENT
    assert await realms.client("wxcl_app") == public
    assert list(await realms.clients()) == [public, CLIENT]
    assert list(await realms.clients("shops")) == [CLIENT]
    await realms.put_client(replace(CLIENT, disabled_at=None, limits=None, created_at=after(5)))
    assert await realms.client("wxcl_shop") == replace(CLIENT, disabled_at=None, limits=None)


async def test_a_client_takes_its_codes_and_grants_along(store: Store) -> None:
    login = store.login
    await login.realms.put_client(CLIENT)
    other = replace(ACCESS, token_hash="other", client="wxcl_other")
    await put_session(store, SESSION)
    await login.codes.put(CODE)
    await login.grants.put([ACCESS, other])
    assert await login.realms.remove_client("wxcl_shop")
    assert not await login.realms.remove_client("wxcl_shop")
    assert await login.codes.take(CODE.code_hash, now=NOW) is None
    assert await login.grants.load(ACCESS.token_hash) is None
    assert await login.grants.load("other") == other
    assert await login.grants.clients_of("sid-1") == ["wxcl_other"]


async def fill(store: Store, realm: str) -> None:
    """Put one of everything into a realm, under keys of its own."""
    login, mark = store.login, realm[:1]
    await login.realms.put_realm(replace(REALM, name=realm))
    await login.realms.put_app(replace(APP, name=f"app-{realm}", realm=realm))
    await login.realms.put_client(replace(CLIENT, id=f"client-{realm}", realm=realm))
    await login.attempts.create(replace(ATTEMPT, state_hash=mark, realm=realm))
    for number, names in enumerate(([OPENID], [UNIONID], [OPENID, UNIONID])):
        await login.identities.resolve(realm, names, new_sub=f"u_{number}", profile=Profile(), now=NOW)
    await put_session(store, replace(SESSION, id_hash=mark, sid=realm, realm=realm, sub="u_0"))
    await login.codes.put(replace(CODE, code_hash=mark, realm=realm, sid=realm))
    await login.grants.put([replace(ACCESS, token_hash=mark, realm=realm, sid=realm)])
    await login.keys.put(replace(SIGNING_KEY, realm=realm))
    await login.scans.create(replace(SCAN, id=mark, scene_hash=mark, realm=realm))


async def left(store: Store, realm: str) -> list[bool]:
    """Tell of each kind of thing whether it is there."""
    login, mark = store.login, realm[:1]
    return [
        await login.realms.realm(realm) is not None,
        bool(await login.realms.apps(realm)),
        bool(await login.realms.clients(realm)),
        await login.attempts.load(mark) is not None,
        bool(await login.identities.subjects(realm)),
        bool(await login.identities.find(realm, [OPENID, UNIONID])),
        bool(await login.identities.conflicts(realm)),
        await login.sessions.load(mark) is not None,
        bool(await login.grants.clients_of(realm)),
        await login.codes.take(mark, now=NOW) is not None,
        await login.grants.load(mark) is not None,
        bool(await login.keys.of(realm)),
        await login.scans.load(mark) is not None,
    ]


async def test_a_realm_takes_everything_in_it_along_and_nothing_else(store: Store) -> None:
    await fill(store, "shops")
    await fill(store, "other")
    assert await store.login.realms.remove_realm("shops")
    assert not any(await left(store, "shops"))
    assert all(await left(store, "other"))
    assert not await store.login.realms.remove_realm("shops")
