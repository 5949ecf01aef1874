"""Subjects and their names: a name stands for one subject, whatever else WeChat says."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.store.login_rows import ACCESS, CODE, OPENID, SESSION, UNIONID, put_session
from tests.store.moments import NOW, after
from wxgate.login.records import Conflict, IdentityKind, Name, Profile, Subject
from wxgate.store import Store

OTHER_OPENID = Name(IdentityKind.OPENID, "wxaccount", "o-other")

UNKNOWN = Profile()


async def resolve(
    store: Store,
    *names: Name,
    sub: str = "u_anna",
    at: float = 0,
    profile: Profile = UNKNOWN,
    realm: str = "shops",
) -> tuple[Subject, Sequence[Conflict]]:
    return await store.login.identities.resolve(realm, names, new_sub=sub, profile=profile, now=after(at))


async def test_names_nobody_has_get_a_new_subject(store: Store) -> None:
    identities = store.login.identities
    subject, conflicts = await resolve(store, OPENID, UNIONID, profile=Profile("安娜", "https://a/1"))
    assert subject == Subject("u_anna", "shops", NOW, NOW, Profile("安娜", "https://a/1"), None, NOW)
    assert list(conflicts) == []
    assert await identities.subject("shops", "u_anna") == subject
    assert await identities.subject("other", "u_anna") is None
    assert await identities.find("shops", [OPENID, UNIONID, OTHER_OPENID]) == {
        OPENID: "u_anna",
        UNIONID: "u_anna",
    }
    assert await identities.find("other", [OPENID]) == {}
    assert await identities.find("shops", []) == {}
    assert {each.name for each in await identities.names("shops", "u_anna")} == {OPENID, UNIONID}


async def test_the_first_known_name_decides_and_new_ones_are_linked(store: Store) -> None:
    await resolve(store, OPENID)
    subject, conflicts = await resolve(store, OTHER_OPENID, OPENID, UNIONID, sub="u_new", at=5)
    assert (subject.sub, list(conflicts)) == ("u_anna", [])
    names = await store.login.identities.names("shops", "u_anna")
    assert [(each.name.value, each.linked_at) for each in names] == [
        ("o-anna", NOW),
        ("o-other", after(5)),
        ("u-anna", after(5)),
    ]
    assert await store.login.identities.subject("shops", "u_new") is None


async def test_a_realm_knows_nothing_of_anothers_names(store: Store) -> None:
    await resolve(store, OPENID)
    assert (await resolve(store, OPENID, sub="u_there", realm="other"))[0].sub == "u_there"


async def test_a_name_of_another_subject_stays_there_and_is_a_conflict_once(store: Store) -> None:
    identities = store.login.identities
    await resolve(store, OPENID, sub="u_one")
    await resolve(store, UNIONID, sub="u_two")
    subject, [conflict] = await resolve(store, OPENID, UNIONID, OTHER_OPENID, sub="u_three", at=5)
    assert subject.sub == "u_one"
    assert (conflict.kept, conflict.other, conflict.name) == ("u_one", "u_two", UNIONID)
    assert (conflict.found_at, conflict.settled_at) == (after(5), None)
    assert await identities.find("shops", [OPENID, UNIONID, OTHER_OPENID]) == {
        OPENID: "u_one",
        UNIONID: "u_two",
        OTHER_OPENID: "u_one",
    }
    _, again = await resolve(store, OPENID, UNIONID, at=6)
    assert list(again) == []
    assert list(await identities.conflicts()) == [conflict]
    assert list(await identities.conflicts("other")) == []


async def test_what_is_new_of_a_profile_is_kept_and_nothing_is_forgotten(store: Store) -> None:
    await resolve(store, OPENID, profile=Profile("安娜", "https://a/1"))
    same, _ = await resolve(store, OPENID, profile=Profile("安娜"), at=5)
    assert (same.profile, same.updated_at, same.last_login_at) == (
        Profile("安娜", "https://a/1"),
        NOW,
        after(5),
    )
    silent, _ = await resolve(store, OPENID, at=6)
    assert (silent.profile, silent.updated_at) == (Profile("安娜", "https://a/1"), NOW)
    changed, _ = await resolve(store, OPENID, profile=Profile("安娜🌸", None), at=7)
    assert (changed.profile, changed.updated_at) == (Profile("安娜🌸", "https://a/1"), after(7))
    assert await store.login.identities.subject("shops", "u_anna") == changed


async def test_what_wechat_calls_everybody_replaces_nobodys_name(store: Store) -> None:
    everybody = Profile("微信用户", "https://a/grey")
    new, _ = await resolve(store, OPENID, profile=everybody)
    assert new.profile == everybody
    await resolve(store, OPENID, profile=Profile("安娜", "https://a/1"), at=5)
    kept, _ = await resolve(store, OPENID, profile=everybody, at=6)
    assert (kept.profile, kept.updated_at) == (Profile("安娜", "https://a/1"), after(5))


async def test_nobody_is_known_without_a_name(store: Store) -> None:
    with pytest.raises(ValueError, match="without a name"):
        await resolve(store)


async def test_subjects_are_listed_by_sub_and_found_by_their_names(store: Store) -> None:
    identities = store.login.identities
    for sub, name in (("u_3", OPENID), ("u_1", UNIONID), ("u_2", OTHER_OPENID)):
        await resolve(store, name, sub=sub)
    assert [each.sub for each in await identities.subjects("shops")] == ["u_1", "u_2", "u_3"]
    assert [each.sub for each in await identities.subjects("shops", limit=2)] == ["u_1", "u_2"]
    assert [each.sub for each in await identities.subjects("shops", after="u_2")] == ["u_3"]
    for search, found in (("o-anna", ["u_3"]), ("u-anna", ["u_1"]), ("u_2", ["u_2"]), ("o-", [])):
        assert [each.sub for each in await identities.subjects("shops", search=search)] == found
    assert list(await identities.subjects("other")) == []


async def test_a_merge_makes_an_alias_moves_names_and_settles_the_conflict(store: Store) -> None:
    identities = store.login.identities
    await resolve(store, OPENID, sub="u_one")
    await resolve(store, UNIONID, sub="u_two")
    _, [conflict] = await resolve(store, OPENID, UNIONID)
    assert await identities.merge("shops", kept="u_one", other="u_two", now=after(9))
    alias = await identities.subject("shops", "u_two")
    assert alias is not None
    assert alias.alias_of == "u_one"
    assert await identities.find("shops", [UNIONID]) == {UNIONID: "u_one"}
    assert {each.name for each in await identities.names("shops", "u_one")} == {OPENID, UNIONID}
    assert list(await identities.conflicts("shops")) == []
    assert list(await identities.conflicts(open_only=False)) == [replace(conflict, settled_at=after(9))]
    subject, conflicts = await resolve(store, UNIONID, OPENID)
    assert (subject.sub, list(conflicts)) == ("u_one", [])


async def test_a_merge_needs_two_that_are_no_aliases(store: Store) -> None:
    identities = store.login.identities
    await resolve(store, OPENID, sub="u_one")
    await resolve(store, UNIONID, sub="u_two")
    assert not await identities.merge("shops", kept="u_one", other="u_none", now=NOW)
    assert not await identities.merge("shops", kept="u_one", other="u_one", now=NOW)
    assert not await identities.merge("other", kept="u_one", other="u_two", now=NOW)
    assert await identities.merge("shops", kept="u_one", other="u_two", now=NOW)
    assert not await identities.merge("shops", kept="u_one", other="u_two", now=NOW)
    assert not await identities.merge("shops", kept="u_two", other="u_one", now=NOW)


async def test_a_merge_takes_aliases_and_conflicts_with_third_ones_along(store: Store) -> None:
    identities = store.login.identities
    for sub, name in (("u_1", OPENID), ("u_2", OTHER_OPENID), ("u_3", UNIONID)):
        await resolve(store, name, sub=sub)
    await resolve(store, OTHER_OPENID, UNIONID)
    await resolve(store, OPENID, UNIONID)
    assert [(each.kept, each.other) for each in await identities.conflicts()] == [
        ("u_2", "u_3"),
        ("u_1", "u_3"),
    ]
    assert await identities.merge("shops", kept="u_1", other="u_2", now=after(1))
    assert [(each.kept, each.other) for each in await identities.conflicts()] == [("u_1", "u_3")]
    assert await identities.merge("shops", kept="u_3", other="u_1", now=after(2))
    assert list(await identities.conflicts()) == []
    assert {each.alias_of for each in await identities.subjects("shops")} == {None, "u_3"}
    assert set((await identities.find("shops", [OPENID, OTHER_OPENID, UNIONID])).values()) == {"u_3"}


async def test_moved_openids_are_linked_to_their_subjects_and_again_without_harm(store: Store) -> None:
    identities = store.login.identities
    await resolve(store, OPENID, sub="u_one")
    await resolve(store, Name(IdentityKind.OPENID, "wxsite", "o-two"), sub="u_two")
    await resolve(store, Name(IdentityKind.OPENID, "wxnew", "n-taken"), sub="u_three")
    openids = {"o-anna": "n-anna", "o-two": "n-taken", "o-nobody": "n-nobody"}

    async def move() -> object:
        return await identities.move_openids(
            "shops", from_appid="wxsite", to_appid="wxnew", openids=openids, now=after(3)
        )

    assert await move() == {"o-anna": "linked", "o-two": "conflict", "o-nobody": "unknown"}
    assert await move() == {"o-anna": "known", "o-two": "conflict", "o-nobody": "unknown"}
    new = Name(IdentityKind.OPENID, "wxnew", "n-anna")
    assert await identities.find("shops", [OPENID, new]) == {OPENID: "u_one", new: "u_one"}
    [conflict] = await identities.conflicts()
    assert (conflict.kept, conflict.other, conflict.name.value) == ("u_two", "u_three", "n-taken")


async def test_openids_of_one_account_are_counted_and_paged_through(store: Store) -> None:
    identities = store.login.identities
    for openid in ("o-b", "O-c", "o-a"):
        await resolve(store, Name(IdentityKind.OPENID, "wxsite", openid), sub=f"u_{openid}")
    await resolve(store, Name(IdentityKind.OPENID, "wxother", "o-d"), UNIONID, sub="u_else")
    assert await identities.count_openids("shops", "wxsite") == 3
    first = await identities.openids("shops", "wxsite", limit=2)
    rest = await identities.openids("shops", "wxsite", after=first[-1], limit=2)
    assert [*first, *rest] == ["O-c", "o-a", "o-b"]
    assert await identities.openids("another", "wxsite") == []


async def test_a_forgotten_subject_leaves_nothing_nor_do_its_aliases(store: Store) -> None:
    login = store.login
    await resolve(store, OPENID, sub="u_anna")
    await resolve(store, UNIONID, sub="u_alias")
    await resolve(store, OPENID, UNIONID)
    await login.identities.merge("shops", kept="u_anna", other="u_alias", now=NOW)
    await resolve(store, OTHER_OPENID, sub="u_else")
    for sub in ("u_anna", "u_alias", "u_else"):
        await put_session(store, replace(SESSION, id_hash=sub, sid=sub, sub=sub))
        await login.codes.put(replace(CODE, code_hash=sub, sid=sub, sub=sub))
        await login.grants.put([replace(ACCESS, token_hash=sub, sid=sub, sub=sub)])
    assert await login.identities.forget("shops", "u_anna")
    assert not await login.identities.forget("shops", "u_anna")
    assert not await login.identities.forget("shops", "u_alias")
    assert [each.sub for each in await login.identities.subjects("shops")] == ["u_else"]
    assert await login.identities.find("shops", [OPENID, UNIONID]) == {}
    assert list(await login.identities.conflicts(open_only=False)) == []
    for sub, there in (("u_anna", False), ("u_alias", False), ("u_else", True)):
        assert [
            await login.sessions.load(sub) is not None,
            await login.codes.take(sub, now=NOW) is not None,
            await login.grants.load(sub) is not None,
            bool(await login.grants.clients_of(sub)),
        ] == [there] * 4
