"""API keys, labels and the audit log: the contract of their ports on both engines."""

from dataclasses import replace
from datetime import timedelta

from tests.store.moments import NOW
from wxgate.custody.clients import AuditLine, Client, ClientScope, Labels, Reach, digest, read_networks
from wxgate.store import Store

CLIENT = Client(
    id="0123456789ab",
    name="订单系统",
    digest=digest("secret"),
    scopes=frozenset({ClientScope.AUTHORIZER, ClientScope.REPORT}),
    reach=Reach(frozenset({"wxplatform"}), frozenset({"wxa", "wxb"}), frozenset({"shops"})),
    may_renew=True,
    networks=read_networks(["10.0.0.0/8", "2001:db8::1"]),
    created_at=NOW,
    expires_at=NOW + timedelta(days=30),
)

LINE = AuditLine(NOW, NOW, CLIENT.id, "access_token", "wxplatform", "wxa", "10.0.0.1", "ok", 3)


async def test_a_client_is_loaded_as_it_was_put(store: Store) -> None:
    await store.clients.put(CLIENT)
    assert await store.clients.load(CLIENT.id) == CLIENT
    assert await store.clients.load("ffffffffffff") is None


async def test_clients_are_listed_oldest_first(store: Store) -> None:
    later = replace(CLIENT, id="000000000000", created_at=NOW + timedelta(seconds=1))
    await store.clients.put(later)
    await store.clients.put(CLIENT)
    assert await store.clients.list() == [CLIENT, later]


async def test_a_revocation_stays_as_it_was_the_first_time(store: Store) -> None:
    await store.clients.put(CLIENT)
    assert await store.clients.revoke(CLIENT.id, now=NOW)
    assert not await store.clients.revoke(CLIENT.id, now=NOW + timedelta(days=1))
    assert not await store.clients.revoke("ffffffffffff", now=NOW)
    revoked = await store.clients.load(CLIENT.id)
    assert revoked is not None
    assert revoked.revoked_at == NOW


async def test_labels_are_added_once_and_taken_away(store: Store) -> None:
    add = Labels(frozenset({"shops", "vip"}), frozenset({"shop.example.com"}))
    assert await store.labels.change("wxa", add=add, remove=Labels()) == add
    assert await store.labels.change("wxa", add=add, remove=Labels()) == add
    assert await store.labels.load("wxb") == Labels()
    left = Labels(frozenset({"shops"}), frozenset({"shop.example.com"}))
    assert await store.labels.change("wxa", add=Labels(), remove=Labels(frozenset({"vip"}))) == left
    assert await store.labels.list() == {"wxa": left}


async def test_the_labels_of_thousands_of_accounts_are_loaded_at_once(store: Store) -> None:
    for appid in ("wx17", "wxother"):
        await store.labels.change(appid, add=Labels(frozenset({"shops"})), remove=Labels())
    assert await store.labels.load_many([f"wx{number}" for number in range(5000)]) == {
        "wx17": Labels(frozenset({"shops"}))
    }
    assert await store.labels.load_many([]) == {}


async def test_a_tag_and_a_host_of_the_same_name_are_two_things(store: Store) -> None:
    both = Labels(frozenset({"shop"}), frozenset({"shop"}))
    await store.labels.change("wxa", add=both, remove=Labels())
    left = await store.labels.change("wxa", add=Labels(), remove=Labels(hosts=frozenset({"shop"})))
    assert left == Labels(frozenset({"shop"}))


async def test_audit_lines_are_read_newest_first_and_by_client_or_account(store: Store) -> None:
    other = replace(LINE, client="ffffffffffff", account="wxb", outcome="missing_scope")
    await store.audit.write([LINE, other])
    await store.audit.write([replace(LINE, count=1)])
    assert await store.audit.read() == [replace(LINE, count=1), other, LINE]
    assert await store.audit.read(client=CLIENT.id) == [replace(LINE, count=1), LINE]
    assert await store.audit.read(account="wxb") == [other]
    assert await store.audit.read(limit=1) == [replace(LINE, count=1)]


async def test_a_line_moves_the_last_use_of_its_client_forward_and_never_back(store: Store) -> None:
    await store.clients.put(CLIENT)
    later = NOW + timedelta(minutes=5)
    await store.audit.write([replace(LINE, last_at=later), LINE, replace(LINE, client="")])
    await store.audit.write([LINE])
    used = await store.clients.load(CLIENT.id)
    assert used is not None
    assert used.last_used_at == later


async def test_old_audit_lines_are_dropped_so_many_at_a_time(store: Store) -> None:
    old = replace(LINE, first_at=NOW - timedelta(days=9), last_at=NOW - timedelta(days=8))
    await store.audit.write([old, old, old, LINE])
    before = NOW - timedelta(days=7)
    assert await store.audit.prune(before=before, most=2) == 2
    assert await store.audit.prune(before=before, most=2) == 1
    assert await store.audit.read() == [LINE]


async def test_what_is_too_long_for_the_audit_log_is_cut_and_not_refused(store: Store) -> None:
    await store.audit.write([replace(LINE, ip="x" * 500, account="y" * 500, action="z\0" * 50)])
    (kept,) = await store.audit.read()
    assert (kept.ip, kept.account) == ("x" * 64, "y" * 64)
