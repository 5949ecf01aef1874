"""Sessions, the codes and grants that come of them, signing keys, and logins by scanning."""

from dataclasses import replace
from typing import Any

from tests.store.login_rows import (
    ACCESS,
    CODE,
    OPENID,
    SCAN,
    SESSION,
    SIGNING_KEY,
    UNIONID,
    know,
    put_session,
)
from tests.store.moments import NOW, after
from wxgate.login.records import Created, GrantKind, Profile, ScanState, Session
from wxgate.store import Store

REFRESH = replace(ACCESS, token_hash="refresh", kind=GrantKind.REFRESH)


def session(number: int, **changes: object) -> Session:
    """Make one session of several."""
    return replace(SESSION, id_hash=f"id-{number}", sid=f"sid-{number}", **changes)  # type: ignore[arg-type]


async def test_a_session_is_loaded_as_it_was_made(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, SESSION)
    bare = session(2, unionid=None)
    await put_session(store, bare)
    assert await sessions.load(SESSION.id_hash) == SESSION
    assert await sessions.by_sid("sid-2") == bare
    assert await sessions.load("nobody") is None
    assert await sessions.by_sid("nobody") is None


async def test_a_new_session_ends_the_one_in_whose_place_it_is(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, session(1, sub="u_ben"))
    await know(store, "u_anna")
    made = await sessions.create(session(2, started_at=after(5)), instead_of="id-1")
    ended = session(1, sub="u_ben", ended_at=after(5), end_reason="replaced", replaced_by="id-2")
    assert made == Created(session(2, started_at=after(5)), ended)
    assert await sessions.load("id-1") == ended


async def test_a_session_in_the_place_of_a_replaced_one_ends_the_last_of_them(store: Store) -> None:
    """Two tabs log in from one session: what the second one shows is what the first one had replaced."""
    sessions = store.login.sessions
    await put_session(store, session(1))
    await put_session(store, session(2), instead_of="id-1")
    await put_session(store, session(3), instead_of="id-1")
    last = await sessions.by_sid("sid-1")
    assert last is not None
    assert (last.id_hash, last.ended_at) == ("id-3", None)

    await know(store, "u_ben")
    made = await sessions.create(session(4, sub="u_ben"), instead_of="id-1")
    assert made is not None
    assert made.ended is not None
    assert (made.ended.sid, made.ended.replaced_by) == ("sid-1", "id-4")
    assert [each.id_hash for each in await sessions.live("shops", now=NOW)] == ["id-4"]


async def test_a_session_that_ended_by_hand_is_gone_on_with_by_nobody(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, session(1))
    await sessions.end("id-1", reason="logged_out", now=after(1))
    assert await sessions.create(session(2), instead_of="id-1") == Created(session(2))
    assert await sessions.load("id-1") == session(1, ended_at=after(1), end_reason="logged_out")


async def test_who_is_forgotten_gets_no_session_and_keeps_the_other_one(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, session(1, sub="u_ben"))
    assert await sessions.create(session(2), instead_of="id-1") is None
    assert await sessions.load("id-2") is None
    assert await sessions.load("id-1") == session(1, sub="u_ben")


async def test_a_session_is_seen_and_proved_while_it_lives(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, session(1))
    await sessions.touch("id-1", seen_at=after(10))
    await sessions.touch("id-1", seen_at=after(5))
    assert await sessions.load("id-1") == session(1, seen_at=after(10))
    proof = {"presence_hash": "new", "proved_at": after(20), "openid": "o-anna", "app": "shop"}
    assert await sessions.prove("id-1", **proof)  # type: ignore[arg-type]
    proved = session(1, presence_hash="new", proved_at=after(20), seen_at=after(20), app="shop")
    assert await sessions.load("id-1") == proved
    assert not await sessions.prove("nobody", **proof)  # type: ignore[arg-type]
    assert await sessions.prove("id-1", **proof, unionid="u-later")  # type: ignore[arg-type]
    assert await sessions.prove("id-1", **proof)  # type: ignore[arg-type]
    proved = replace(proved, unionid="u-later")
    assert await sessions.load("id-1") == proved
    await sessions.end("id-1", reason="logout", now=after(30))
    assert not await sessions.prove("id-1", **proof)  # type: ignore[arg-type]
    await sessions.touch("id-1", seen_at=after(40))
    assert await sessions.load("id-1") == replace(proved, ended_at=after(30), end_reason="logout")


async def test_a_unionid_is_learnt_by_the_sessions_of_its_openid_that_have_none(store: Store) -> None:
    sessions = store.login.sessions
    mine = session(1, unionid=None)
    changes = (
        {"openid": "o-ben"},
        {"appid": "wx2"},
        {"sub": "u_ben"},
        {"ended_at": after(1)},
        {"realm": "other"},
    )
    others = [
        session(number, **({"unionid": None} | change)) for number, change in enumerate(changes, start=2)
    ]
    for each in (mine, *others, session(9)):
        await put_session(store, each)
    name = {"appid": mine.appid, "openid": mine.openid, "unionid": "u-later"}
    assert await sessions.learn_unionid("shops", "u_anna", **name) == 1
    assert await sessions.learn_unionid("shops", "u_anna", **name) == 0
    assert await sessions.load("id-1") == replace(mine, unionid="u-later")
    assert [await sessions.load(each.id_hash) for each in others] == others
    assert await sessions.load("id-9") == session(9)


async def test_the_end_of_a_session_is_told_once(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, session(1))
    ended = await sessions.end("id-1", reason="logout", now=after(1))
    assert ended == session(1, ended_at=after(1), end_reason="logout")
    assert await sessions.end("id-1", reason="other", now=after(2)) is None
    assert await sessions.end("nobody", reason="other", now=after(2)) is None


async def test_sessions_end_by_subject_by_client_and_by_app(store: Store) -> None:
    login = store.login
    await put_session(store, session(1))
    await put_session(store, session(2, sub="u_ben", app="shop"))
    await put_session(store, session(3, sub="u_ben"))
    await put_session(store, session(4, realm="other"))
    await put_session(store, session(5, expires_at=after(5)))
    await login.grants.put([replace(ACCESS, sid="sid-3"), replace(ACCESS, token_hash="4", sid="sid-4")])

    async def end(**whose: str) -> list[str]:
        found = await login.sessions.end_all(realm="shops", reason="revoked", now=after(10), **whose)
        assert {each.end_reason for each in found} <= {"revoked"}
        return [each.sid for each in found]

    assert await end(client="wxcl_none") == []
    assert await end(client="wxcl_shop") == ["sid-3"]
    assert await end(app="shop", sub="u_anna") == []
    assert await end(app="shop") == ["sid-2"]
    assert await end(sub="u_anna") == ["sid-1"]
    assert await end() == []
    assert (await login.sessions.live("other", now=after(10)))[0].sid == "sid-4"


async def test_live_sessions_are_listed_by_sid(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, session(3))
    await put_session(store, session(1))
    await put_session(store, session(2, sub="u_ben"))
    await put_session(store, session(4, expires_at=after(5)))
    await put_session(store, session(5, ended_at=after(1)))
    await put_session(store, session(6, realm="other"))

    async def live(**query: object) -> list[str]:
        return [each.sid for each in await sessions.live("shops", now=after(5), **query)]  # type: ignore[arg-type]

    assert await live() == ["sid-1", "sid-2", "sid-3"]
    assert await live(limit=1) == ["sid-1"]
    assert await live(after="sid-1") == ["sid-2", "sid-3"]
    assert await live(sub="u_ben") == ["sid-2"]


async def test_a_merged_subjects_sessions_are_those_of_its_alias_too(store: Store) -> None:
    login = store.login
    for number, (sub, name) in enumerate((("u_anna", OPENID), ("u_alias", UNIONID))):
        await login.identities.resolve("shops", [name], new_sub=sub, profile=Profile(), now=NOW)
        await put_session(store, session(number, sub=sub))
    await login.identities.merge("shops", kept="u_anna", other="u_alias", now=NOW)
    found = await login.sessions.live("shops", sub="u_anna", now=NOW)
    assert [each.sid for each in found] == ["sid-0", "sid-1"]
    ended = await login.sessions.end_all(realm="shops", sub="u_anna", reason="all", now=NOW)
    assert [each.sid for each in ended] == ["sid-0", "sid-1"]


async def test_old_sessions_are_forgotten_with_the_clients_they_had(store: Store) -> None:
    login = store.login
    await put_session(store, session(1, ended_at=after(10)))
    await put_session(store, session(2, expires_at=after(10)))
    await put_session(store, session(3, expires_at=after(11)))
    await login.grants.put([replace(ACCESS, token_hash=str(n), sid=f"sid-{n}") for n in (1, 3)])
    assert await login.sessions.prune(ended_before=after(10)) == 0
    assert await login.sessions.prune(ended_before=after(11)) == 2
    assert await login.sessions.by_sid("sid-3") is not None
    assert await login.grants.clients_of("sid-1") == []
    assert await login.grants.clients_of("sid-3") == ["wxcl_shop"]


async def test_a_code_is_spent_once_and_stays_until_it_is_forgotten(store: Store) -> None:
    codes = store.login.codes
    await codes.put(CODE)
    used = replace(CODE, used_at=after(1))
    assert await codes.take(CODE.code_hash, now=after(1)) == (used, True)
    assert await codes.take(CODE.code_hash, now=after(2)) == (used, False)
    assert await codes.take("nobody", now=NOW) is None
    assert await codes.prune(expired_before=after(60)) == 0
    assert await codes.prune(expired_before=after(61)) == 1
    assert await codes.take(CODE.code_hash, now=after(3)) is None


async def test_an_expired_code_is_returned_for_the_caller_to_refuse(store: Store) -> None:
    await store.login.codes.put(CODE)
    assert await store.login.codes.take(CODE.code_hash, now=after(99)) == (
        replace(CODE, used_at=after(99)),
        True,
    )


async def test_grants_are_loaded_as_they_were_put(store: Store) -> None:
    grants = store.login.grants
    await grants.put([ACCESS, REFRESH])
    await grants.put([])
    assert await grants.load(ACCESS.token_hash) == ACCESS
    assert await grants.load("refresh") == REFRESH
    assert await grants.load("nobody") is None


async def test_a_refresh_token_is_replaced_once(store: Store) -> None:
    grants = store.login.grants
    await grants.put([ACCESS, REFRESH])
    second = replace(REFRESH, token_hash="second")
    assert await grants.replace("refresh", [second], now=after(1))
    assert await grants.load("refresh") == replace(REFRESH, replaced_at=after(1))
    assert await grants.load("second") == second
    third = replace(REFRESH, token_hash="third")
    assert not await grants.replace("refresh", [third], now=after(2))
    assert not await grants.replace(ACCESS.token_hash, [third], now=after(2))
    assert not await grants.replace("nobody", [third], now=after(2))
    assert not await grants.replace("second", [third], now=after(3600))
    assert await grants.load("third") is None
    assert await grants.revoke_family("family-1", now=after(3)) == 3
    assert not await grants.replace("second", [third], now=after(4))


async def test_grants_are_revoked_by_family_session_and_client(store: Store) -> None:
    grants = store.login.grants
    for number, change in enumerate(({"family": "f"}, {"sid": "s"}, {"client": "c"}, {})):
        await grants.put([replace(ACCESS, token_hash=f"t{number}", **change)])
    assert await grants.revoke_family("f", now=after(1)) == 1
    assert await grants.revoke_session("s", now=after(2)) == 1
    assert await grants.revoke_client("c", now=after(3)) == 1
    assert await grants.revoke_family("f", now=after(4)) == 0
    loaded = [await grants.load(f"t{number}") for number in range(4)]
    assert [each and each.revoked_at for each in loaded] == [after(1), after(2), after(3), None]


async def test_what_is_left_of_expired_sessions_is_revoked_with_their_person_client_and_app(
    store: Store,
) -> None:
    login = store.login
    for number, (sub, name) in enumerate((("u_anna", OPENID), ("u_alias", UNIONID))):
        await login.identities.resolve("shops", [name], new_sub=sub, profile=Profile(), now=NOW)
        await put_session(store, session(number, sub=sub, expires_at=after(5)))
    await login.identities.merge("shops", kept="u_anna", other="u_alias", now=NOW)
    mine = {"sub": "u_ben", "client": "wxcl_b", "sid": "gone", "data": {"app": "news"}}
    changes: list[dict[str, Any]] = [
        {},
        {"sub": "u_alias"},
        {"client": "wxcl_a"},
        {"data": {"app": "shop"}},
        {},
    ]
    changes[-1] = {"realm": "other", "sub": "u_anna", "client": "wxcl_a", "data": {"app": "shop"}}
    for number, change in enumerate(changes):
        await login.grants.put([replace(ACCESS, token_hash=f"t{number}", **mine | change)])
    await login.grants.put([replace(ACCESS, token_hash="t5", **mine | {"sid": "sid-0", "client": "wxcl_c"})])

    async def revoke(**whose: str) -> int:
        return await login.grants.revoke_all("shops", now=after(10), **whose)

    assert await revoke(sub="u_anna") == 1
    assert await revoke(client="wxcl_a") == 1
    assert await revoke(client="wxcl_c") == 1
    assert await revoke(app="shop") == 1
    left = [await login.grants.load(f"t{number}") for number in range(6)]
    assert [each.token_hash for each in left if each and not each.revoked_at] == ["t0", "t4"]


async def test_tokens_that_come_after_the_end_of_their_session_are_worth_nothing(store: Store) -> None:
    """Whoever ends it looks for its tokens and clients once: what is kept later, nobody would revoke."""
    login = store.login
    await put_session(store, SESSION)
    assert await login.grants.put([ACCESS, REFRESH])
    await login.sessions.end(SESSION.id_hash, reason="r", now=after(1))
    assert not await login.grants.put([replace(ACCESS, token_hash="late")])
    assert not await login.grants.replace("refresh", [replace(REFRESH, token_hash="later")], now=after(2))
    for late in ("late", "later"):
        found = await login.grants.load(late)
        assert found is not None
        assert found.revoked_at == after(1)


async def test_tokens_of_a_code_that_was_spent_twice_are_worth_nothing(store: Store) -> None:
    """The second use may come before the first one's tokens are kept: then nobody could revoke them."""
    login = store.login
    await login.codes.put(CODE)
    await login.codes.take(CODE.code_hash, now=after(1))
    await login.codes.take(CODE.code_hash, now=after(2))
    assert await login.grants.revoke_family("family-1", now=after(2)) == 0
    await login.grants.put([ACCESS])
    assert await login.grants.load(ACCESS.token_hash) == replace(ACCESS, revoked_at=after(2))


async def test_the_clients_of_a_session_are_known_after_their_grants_are_forgotten(store: Store) -> None:
    login = store.login
    await put_session(store, SESSION)
    await login.grants.put([ACCESS, REFRESH, replace(REFRESH, token_hash="r2", client="wxcl_b")])
    await login.grants.put([replace(ACCESS, token_hash="a2", sid="no-session", client="wxcl_c")])
    assert await login.grants.clients_of("sid-1") == ["wxcl_b", "wxcl_shop"]
    assert await login.grants.clients_of("sid-1", GrantKind.ACCESS) == ["wxcl_shop"]
    assert await login.grants.prune(expired_before=after(3600)) == 0
    assert await login.grants.prune(expired_before=after(3601)) == 4
    assert await login.grants.clients_of("sid-1") == ["wxcl_b", "wxcl_shop"]
    assert await login.grants.clients_of("sid-1", GrantKind.REFRESH) == []
    assert await login.grants.clients_of("no-session") == []


async def test_signing_keys_are_listed_oldest_first_until_they_are_retired(store: Store) -> None:
    keys = store.login.keys
    older = replace(SIGNING_KEY, kid="2026-02", signs_from=NOW)
    other = replace(SIGNING_KEY, kid="es", algorithm="ES256", signs_from=after(99999))
    assert await keys.put(SIGNING_KEY)
    assert await keys.put(older)
    assert not await keys.put(replace(SIGNING_KEY, kid="again"), only_if_none=True)
    assert await keys.put(other, only_if_none=True)
    assert list(await keys.of("shops")) == [older, SIGNING_KEY, other]
    assert list(await keys.of("other")) == []
    assert await keys.put(replace(SIGNING_KEY, signs_from=after(1)))
    assert (await keys.of("shops"))[1].signs_from == after(1)
    assert await keys.retire("shops", "2026-02", now=after(2))
    assert not await keys.retire("shops", "2026-02", now=after(3))
    assert not await keys.put(older)
    assert [key.kid for key in await keys.of("shops")] == ["2026-03", "es"]


async def test_a_scan_takes_each_step_once_from_the_one_before(store: Store) -> None:
    scans = store.login.scans
    await scans.create(SCAN)
    assert await scans.load("scan-1") == SCAN
    assert await scans.by_scene(SCAN.scene_hash) == SCAN
    assert await scans.load("nobody") is None
    assert await scans.by_scene("nobody") is None
    shown, scanned, confirmed = ScanState.SHOWN, ScanState.SCANNED, ScanState.CONFIRMED
    assert await scans.advance("scan-1", before=scanned, after=confirmed, now=NOW) is None
    after_scan = await scans.advance(
        "scan-1", before=shown, after=scanned, now=after(1), openid="o-anna", unionid="u-anna"
    )
    assert after_scan == replace(SCAN, state=scanned, openid="o-anna", proof_unionid="u-anna")
    assert await scans.advance("scan-1", before=shown, after=scanned, now=after(1), openid="x") is None
    decided = await scans.advance("scan-1", before=scanned, after=confirmed, now=after(2))
    assert decided == replace(after_scan, state=confirmed, decided_at=after(2))
    assert await scans.load("scan-1") == decided


async def test_an_expired_scan_takes_no_step_and_is_forgotten(store: Store) -> None:
    scans = store.login.scans
    await scans.create(SCAN)
    late = {"before": ScanState.SHOWN, "after": ScanState.SCANNED, "now": after(300)}
    assert await scans.advance("scan-1", **late) is None  # type: ignore[arg-type]
    assert await scans.prune(expired_before=after(300)) == 0
    assert await scans.prune(expired_before=after(301)) == 1
    assert await scans.load("scan-1") is None


async def test_a_login_that_goes_on_keeps_its_sid_and_one_that_has_ended_does_not(store: Store) -> None:
    sessions = store.login.sessions
    await put_session(store, session(1))
    second = await put_session(store, session(2, started_at=after(5)), instead_of="id-1")

    assert second.sid == "sid-1"
    assert await sessions.by_sid("sid-1") == second
    old = await sessions.load("id-1")
    assert old is not None
    assert (old.sid, old.end_reason) == ("sid-2", "replaced")
    await sessions.end("id-2", reason="logged_out", now=after(6))
    third = await put_session(store, session(3, started_at=after(7)), instead_of="id-1")
    assert third.sid == "sid-3"
