"""Reply policies are kept by account."""

from dataclasses import replace

from tests.store.moments import NOW, after
from wxgate.events.policies import DEFAULT, Policy, ReplyPolicy
from wxgate.store import Store

POLICY = ReplyPolicy(
    appid="wx1",
    policy=Policy.TRANSFER,
    replier="sub_0123456789ab",
    platform="wxplatform",
    default_text="稍后回复您 🙂",
    hold_retries=False,
    custom_message=False,
    updated_at=NOW,
)


async def test_a_policy_is_kept_as_it_was_set(store: Store) -> None:
    await store.policies.put_policy(POLICY)
    assert await store.policies.load_policies(["wx1", DEFAULT]) == {"wx1": POLICY}
    assert await store.policies.load_policies([]) == {}


async def test_a_policy_is_replaced(store: Store, other: Store) -> None:
    await store.policies.put_policy(POLICY)
    changed = replace(POLICY, policy=Policy.SILENT, updated_at=after(1))
    await other.policies.put_policy(changed)
    assert await store.policies.load_policies(["wx1"]) == {"wx1": changed}


async def test_policies_are_listed_and_removed(store: Store) -> None:
    for appid in ("wx2", DEFAULT, "wx1"):
        await store.policies.put_policy(replace(POLICY, appid=appid))
    assert [policy.appid for policy in await store.policies.list_policies()] == [DEFAULT, "wx1", "wx2"]
    assert await store.policies.remove_policy("wx1")
    assert not await store.policies.remove_policy("wx1")
    assert set(await store.policies.load_policies(["wx1", "wx2", DEFAULT])) == {"wx2", DEFAULT}


async def test_nobody_replies_who_is_no_subscriber(store: Store) -> None:
    assert not await store.policies.has_subscriber("sub_0123456789ab")
