"""Which proof of a session an application is told by: the one that it asked for.

What was asked is kept in the login's goal, for between asking and telling lie WeChat and other tabs. A proof
counts that is as strong, and not older than was asked: strength and age are never taken from different ones.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from wxgate.login.records import Acr, Mode, Session
from wxgate.login.sessions import Shown, shown
from wxgate.login.visits import Demand, Prompt

FRESH = frozenset({Prompt.LOGIN, Prompt.CONSENT, Prompt.SELECT_ACCOUNT})
"""What asks for a new proof, whatever session there is."""


def keep_terms(demand: Demand, now: datetime) -> Demand:
    """Keep in a demand's goal how strong, and from when on, the proof has to be."""
    terms: dict[str, str] = {}
    oldest = 0 if demand.prompt & FRESH else demand.max_age
    if oldest is not None:
        # Whole seconds, as `auth_time` is told in.
        terms["proved_since"] = str(max(0, int(now.timestamp()) - oldest))
    if (acr := least_acr(demand)) is not None:
        terms["acr"] = acr.value
    return replace(demand, goal=replace(demand.goal, data={**demand.goal.data, **terms}))


def proof_for(asked: Mapping[str, str], session: Session) -> Shown | None:
    """Choose the proof to tell of by what a goal keeps; None where nothing was asked, or none fits."""
    acr = Acr(asked["acr"]) if "acr" in asked else None
    if "proved_since" not in asked:
        return shown(session, session.proved_at, acr=acr)
    since = datetime.fromtimestamp(int(asked["proved_since"]), UTC)
    return shown(session, since, acr=acr, max_age=0) or shown(session, since, max_age=0)


def least_acr(demand: Demand) -> Acr | None:
    """Return how strong a proof is asked for; whoever asks for a consent does not want a silent one."""
    if demand.mode is Mode.CONSENT and not is_strong(demand.acr):
        return Acr.CONSENT
    return demand.acr


def is_strong(acr: Acr | None) -> bool:
    """Tell whether a silent proof is too weak."""
    return acr is not None and not Acr.SILENT.satisfies(acr)
