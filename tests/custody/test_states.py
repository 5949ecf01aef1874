"""The table of states, as sentences."""

import pytest

from wxgate.custody.records import AuthorizationState
from wxgate.custody.states import LIVE, NEWS, TRANSITIONS, USABLE, Trigger, after

PENDING, ACTIVE, DEGRADED, NEEDS, REVOKED = AuthorizationState


@pytest.mark.parametrize("state", AuthorizationState)
def test_a_code_that_was_exchanged_makes_it_active_and_a_farewell_ends_it(state: AuthorizationState) -> None:
    assert after(state, Trigger.CODE_EXCHANGED) is ACTIVE
    assert after(state, Trigger.TAKEN_BACK) is REVOKED


@pytest.mark.parametrize("trigger", set(Trigger) - NEWS - {Trigger.CODE_EXCHANGED, Trigger.FOUND})
def test_no_evidence_but_a_refresh_token_opens_what_was_revoked(trigger: Trigger) -> None:
    assert after(REVOKED, trigger) is REVOKED


def test_a_code_on_its_way_takes_nothing_from_what_works() -> None:
    assert {after(state, Trigger.CODE_GIVEN) for state in (ACTIVE, DEGRADED)} == {ACTIVE, DEGRADED}
    assert after(REVOKED, Trigger.CODE_GIVEN) is PENDING


def test_a_renewal_that_works_does_not_bring_lost_permission_sets_back() -> None:
    assert after(DEGRADED, Trigger.WORKS) is DEGRADED
    assert after(DEGRADED, Trigger.WHOLE) is ACTIVE


def test_that_all_sets_are_listed_does_not_mend_a_refused_refresh_token() -> None:
    assert after(NEEDS, Trigger.WHOLE, Trigger.IMPAIRED) is NEEDS
    assert after(NEEDS, Trigger.FOUND) is ACTIVE


@pytest.mark.parametrize("state", AuthorizationState)
@pytest.mark.parametrize("trigger", Trigger)
def test_a_trigger_twice_is_the_trigger_once(state: AuthorizationState, trigger: Trigger) -> None:
    assert after(state, trigger, trigger) is after(state, trigger)


def test_every_state_can_be_reached_and_left() -> None:
    moves = {(state, to) for (state, _), to in TRANSITIONS.items() if state is not to}
    assert {to for _, to in moves} == {state for state, _ in moves} == set(AuthorizationState)
    assert USABLE < LIVE


@pytest.mark.parametrize("state", set(AuthorizationState) - {REVOKED})
def test_a_refused_refresh_token_needs_the_merchant_and_an_account_that_is_gone_is_revoked(
    state: AuthorizationState,
) -> None:
    assert after(state, Trigger.REFUSED) is NEEDS
    assert after(state, Trigger.GONE) is REVOKED
