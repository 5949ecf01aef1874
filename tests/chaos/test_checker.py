"""The checker notices each thing that can be violated, and finds nothing where nothing was."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import check
from tests.chaos.evidence import (
    AUTHORIZER_TOKEN,
    AuthorizationRow,
    CallSeen,
    Disturbance,
    EventRow,
    Evidence,
    Issued,
    Probe,
    PushSeen,
    fingerprint,
)

KEY = ("wxplatform", "wxaccount")
OTHER = ("wxother", "wxaccount")
NOW = 1_800_000_000.0

HEAD = f"<xml><CreateTime>{NOW:.0f}</CreateTime>"
TICKET = f"{HEAD}<ComponentVerifyTicket><![CDATA[ticket@@@1]]></ComponentVerifyTicket></xml>"
MESSAGE = f"{HEAD}<FromUserName><![CDATA[someone]]></FromUserName><MsgId>77</MsgId></xml>"


def renewal(n: int, at: float, *, node: str = "node-1", key: tuple[str, str] = KEY) -> CallSeen:
    """Make a renewal that took a tenth of a second and gave token number `n`."""
    return CallSeen(n, at, at + 0.1, node, AUTHORIZER_TOKEN, issued=Issued(key, f"token {n}", 7200.0))


def on_behalf(n: int, at: float, token: str, **more: Any) -> CallSeen:
    """Make a call that used a token of `KEY` and meant to."""
    call = CallSeen(n, at, at + 0.1, "node-1", "/cgi-bin/user/info", used=token, owner=KEY, meant=KEY)
    return replace(call, **more)


def component_event_key(push: PushSeen) -> str:
    """Make the key under which a component event is recorded."""
    return fingerprint(f"component\0{push.issuer}\0{push.plain}")


@pytest.fixture
def evidence() -> Evidence:
    """What a run leaves in which everything went well."""
    ticket = PushSeen("push-1", "ticket", KEY[0], "", [NOW], True, TICKET)
    message = PushSeen("push-2", "message", *KEY, [NOW], True, MESSAGE)
    return Evidence(
        calls=[renewal(1, NOW), on_behalf(2, NOW + 1, "token 1"), renewal(3, NOW + 7000)],
        pushes=[ticket, message],
        live={KEY: "refresh"},
        tickets=[(KEY[0], fingerprint("ticket@@@1"), fingerprint("ticket@@@1"))],
        events=[
            EventRow(
                component_event_key(ticket), KEY[0], "", "component_verify_ticket", "", None, "", "done"
            ),
            EventRow("a key", *KEY, "text", "someone", "77", "", "done"),
        ],
        authorizations={KEY: AuthorizationRow("active", "refresh")},
        refresh_history=[(KEY, "ref")],
        tokens=[(KEY, "token 3")],
        owners={"token 1": KEY, "token 3": KEY, "token of another": OTHER},
        refresh_owners={"refresh": {KEY}, "another's": {OTHER}},
        probes=[Probe("node-1", KEY, worked=True)],
    )


def test_a_run_in_which_all_went_well_violates_nothing(evidence: Evidence) -> None:
    verdict = check(evidence)
    assert verdict.violations == []
    assert verdict.counts["renewals"] == 2
    assert verdict.counts["renewals: due"] == 1
    assert verdict.counts["calls on behalf"] == 1


def lose_ticket(evidence: Evidence) -> None:
    evidence.tickets.clear()


def spoil_ticket(evidence: Evidence) -> None:
    platform, name, _ = evidence.tickets[0]
    evidence.tickets[0] = (platform, name, fingerprint("something else"))


def lose_message(evidence: Evidence) -> None:
    del evidence.events[1]


def lose_component_event(evidence: Evidence) -> None:
    del evidence.events[0]


def leave_unhandled(evidence: Evidence) -> None:
    evidence.events[1] = replace(evidence.events[1], state="handling")


def keep_old_refresh_token(evidence: Evidence) -> None:
    evidence.live[KEY] = "a newer one"


def lose_authorization(evidence: Evidence) -> None:
    evidence.authorizations.clear()


def miss_revocation(evidence: Evidence) -> None:
    del evidence.live[KEY]
    evidence.pushes.append(PushSeen("push-3", "unauthorized", *KEY, [NOW], True, "<xml></xml>"))
    evidence.events.append(
        EventRow(component_event_key(evidence.pushes[-1]), *KEY, "unauthorized", "", None, "", "done")
    )


def renew_twice(evidence: Evidence) -> None:
    evidence.calls.append(renewal(4, NOW + 7003, node="node-2"))


def renew_at_once(evidence: Evidence) -> None:
    evidence.calls.append(renewal(4, NOW + 7000.05, node="node-2"))


def use_token_of_another(evidence: Evidence) -> None:
    evidence.calls.append(on_behalf(4, NOW + 2, "token of another", owner=OTHER))


def use_refresh_token_of_another(evidence: Evidence) -> None:
    evidence.calls[2] = replace(evidence.calls[2], refresh_used=(KEY, "another's"))


def keep_token_of_another(evidence: Evidence) -> None:
    evidence.tokens.append((KEY, "token of another"))


def keep_refresh_token_of_another(evidence: Evidence) -> None:
    evidence.refresh_history.append((KEY, "another"))


def leave_unusable(evidence: Evidence) -> None:
    evidence.probes.append(Probe("node-2", KEY, worked=False, seen="timeout"))


def try_nothing(evidence: Evidence) -> None:
    evidence.probes = [Probe("node-1", OTHER, worked=True)]


def never_come_back(evidence: Evidence) -> None:
    evidence.troubles.append("node-2 did not come back")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lose_ticket, "the ticket of push-1"),
        (spoil_ticket, "the ticket of push-1"),
        (lose_message, "message push-2"),
        (lose_component_event, "ticket push-1"),
        (leave_unhandled, "never seen through"),
        (keep_old_refresh_token, "not the one that WeChat honours"),
        (lose_authorization, "holds no refresh token"),
        (miss_revocation, "took its authorization back"),
        (renew_twice, "was good and known"),
        (renew_at_once, "was good and known"),
        (use_token_of_another, "with the token of wxaccount for wxother"),
        (use_refresh_token_of_another, "with the refresh token of another"),
        (keep_token_of_another, "is the one of wxaccount for wxother"),
        (keep_refresh_token_of_another, "never given to it"),
        (leave_unusable, "cannot be used through node-2"),
        (try_nothing, "was not tried"),
        (never_come_back, "did not come back"),
    ],
)
def test_what_is_violated_is_said(evidence: Evidence, spoil: Callable[[Evidence], None], said: str) -> None:
    spoil(evidence)
    violations = check(evidence).violations
    assert len(violations) == 1, violations
    assert said in violations[0]


@pytest.mark.parametrize(
    ("began", "ended", "node", "excused"),
    [
        (NOW + 6990, NOW + 6998, "node-1", False),
        (NOW + 6990, NOW + 7000, "node-1", True),
        (NOW + 7002, NOW + 7003, "node-1", True),
        (NOW + 7002, NOW + 7003, None, True),
        (NOW + 7002, NOW + 7003, "node-2", False),
        (NOW + 7005, NOW + 7006, "node-1", False),
    ],
)
def test_only_what_may_have_cost_the_answer_excuses_another_renewal(
    evidence: Evidence, began: float, ended: float, node: str | None, excused: bool
) -> None:
    evidence.calls.append(renewal(4, NOW + 7020, node="node-2"))
    evidence.disturbances.append(Disturbance("kill", node, began, ended))
    assert (check(evidence).violations == []) is excused


@pytest.mark.parametrize(("kind", "excused"), [("kill", False), ("database", False), ("wechat cut", True)])
def test_a_dead_nodes_lease_holds_while_its_call_is_under_way(
    evidence: Evidence, kind: str, excused: bool
) -> None:
    evidence.calls.append(renewal(4, NOW + 7000.15, node="node-2"))
    evidence.disturbances.append(Disturbance(kind, "node-1", NOW + 7000.05, NOW + 7003))
    assert (check(evidence).violations == []) is excused


def test_a_token_that_wechat_refused_may_be_fetched_anew(evidence: Evidence) -> None:
    evidence.calls.append(on_behalf(4, NOW + 7010, "token 3", errcode=40001))
    evidence.calls.append(renewal(5, NOW + 7011))
    assert check(evidence).violations == []


def test_a_refusal_of_the_token_before_is_no_reason_to_fetch_another(evidence: Evidence) -> None:
    evidence.calls.append(on_behalf(4, NOW + 7010, "token 1", errcode=40001))
    evidence.calls.append(renewal(5, NOW + 7011))
    assert len(check(evidence).violations) == 1


def test_a_push_nobody_acknowledged_may_be_lost(evidence: Evidence) -> None:
    evidence.pushes.append(PushSeen("push-9", "message", *KEY, [NOW], False, MESSAGE.replace("77", "78")))
    assert check(evidence).violations == []
