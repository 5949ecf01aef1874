"""The states of an authorization, as a table: what each piece of news or evidence makes of each state.

    pending ──code exchanged──> active <──works, found── needs_reauthorization
       ^                        │    ^                            ^
  code given              impaired  whole                   refused (61023)
       │                        v    │                            │
    revoked <──taken back──── degraded ───────────────────────────┘

News is what WeChat pushes; it carries WeChat's time, and older news never undoes newer. Evidence is what
our own calls found out; it counts only while the authorization is the one that was asked about.
"""

from collections.abc import Mapping
from enum import StrEnum

from wxgate.custody.records import AuthorizationState

PENDING = AuthorizationState.PENDING
ACTIVE = AuthorizationState.ACTIVE
DEGRADED = AuthorizationState.DEGRADED
NEEDS = AuthorizationState.NEEDS_REAUTHORIZATION
REVOKED = AuthorizationState.REVOKED


class Trigger(StrEnum):
    """What can happen to an authorization."""

    CODE_GIVEN = "code_given"
    """News: the merchant confirmed, and the code is on its way."""

    CODE_EXCHANGED = "code_exchanged"
    """The code was turned into a refresh token."""

    TAKEN_BACK = "taken_back"
    """News: the merchant ended the authorization."""

    WORKS = "works"
    """Evidence: the refresh token yielded an access token."""

    REFUSED = "refused"
    """Evidence: WeChat refuses the refresh token (61023), or there is none, and it names no other."""

    GONE = "gone"
    """Evidence: WeChat knows of no authorization (61003), neither here nor in its list."""

    FOUND = "found"
    """Evidence: WeChat names a refresh token we did not have."""

    IMPAIRED = "impaired"
    """Evidence: it works, but a permission set the merchant gave is gone."""

    WHOLE = "whole"
    """Evidence: it is listed, with every permission set the merchant gave."""


NEWS = frozenset({Trigger.CODE_GIVEN, Trigger.TAKEN_BACK})
"""What WeChat's pushes say; everything else but the exchange of a code is evidence."""

TRANSITIONS: Mapping[tuple[AuthorizationState, Trigger], AuthorizationState] = {
    (REVOKED, Trigger.CODE_GIVEN): PENDING,
    **{(state, Trigger.CODE_EXCHANGED): ACTIVE for state in AuthorizationState},
    **{(state, Trigger.TAKEN_BACK): REVOKED for state in AuthorizationState},
    (PENDING, Trigger.WORKS): ACTIVE,
    (NEEDS, Trigger.WORKS): ACTIVE,
    (PENDING, Trigger.REFUSED): NEEDS,
    (ACTIVE, Trigger.REFUSED): NEEDS,
    (DEGRADED, Trigger.REFUSED): NEEDS,
    **{(state, Trigger.GONE): REVOKED for state in AuthorizationState},
    (PENDING, Trigger.FOUND): ACTIVE,
    (NEEDS, Trigger.FOUND): ACTIVE,
    (REVOKED, Trigger.FOUND): ACTIVE,
    (ACTIVE, Trigger.IMPAIRED): DEGRADED,
    (DEGRADED, Trigger.WHOLE): ACTIVE,
}
"""State and trigger to the next state; a pair that is not here leaves the state as it is."""

LIVE = frozenset({ACTIVE, DEGRADED, NEEDS})
"""States in which an account's pushes are ours to handle."""

PROOFS = frozenset({Trigger.WORKS, Trigger.FOUND})
"""Evidence after which a refresh token is worth trying at once."""

USABLE = frozenset({ACTIVE, DEGRADED})
"""States in which a token can be had without anybody's help."""


def after(state: AuthorizationState, *triggers: Trigger) -> AuthorizationState:
    """Return the state that triggers lead to, one after the other."""
    for trigger in triggers:
        state = TRANSITIONS.get((state, trigger), state)
    return state
