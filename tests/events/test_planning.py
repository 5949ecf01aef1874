"""Planning replies for accounts as they stand."""

from collections.abc import Sequence

from tests.events.events import an_event
from tests.store.moments import NOW
from wxgate.clock import ManualClock
from wxgate.custody.vault import KeyRing, Vault
from wxgate.events.planning import Planner
from wxgate.events.policies import Party
from wxgate.events.records import EventKind
from wxgate.store import Store


async def parties_of(appid: str) -> Sequence[Party]:
    return [Party("wxa", NOW, (18,)), Party("wxb", NOW, (19,))]


async def is_mini_program(appid: str) -> bool:
    return True


async def test_what_nobody_wrote_is_handled_and_not_replied_to_whoever_answers(sqlite_url: str) -> None:
    store = await Store.open(sqlite_url, Vault(KeyRing.generate()))
    planner = Planner(
        store.policies, ManualClock(NOW), parties_of=parties_of, is_mini_program=is_mini_program
    )
    polled = an_event(kind=EventKind.EVENT, issuer="wxa", openid="", name="weapp_audit_success")
    pushed = an_event(kind=EventKind.EVENT, issuer="wxa", openid="oSystem", name="weapp_audit_success")
    plan = await planner.plan(polled)
    assert (plan.handled, plan.speaks) == (True, False)
    assert not (await planner.plan(pushed)).handled
    await store.close()
