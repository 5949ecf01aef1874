"""Lanes: the deliveries of one account to an ordered subscriber go one after the other.

The first that is not over is the head of its lane; nothing behind it is taken. The lanes are walked by a
recursive query that finds the next account with one look into an index of open deliveries, so that neither
many delivered ones nor a long lane behind one that waits cost anything.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, TextClause, bindparam, text

from wxgate.store.tables import Moment

OPEN = "state IN ('pending', 'sending')"

HEADS = """
    WITH RECURSIVE lanes(appid) AS (
        SELECT min(appid) FROM deliveries
        WHERE subscriber = :subscriber AND appid {since} :since AND {open}
        UNION ALL
        SELECT (SELECT min(appid) FROM deliveries
                WHERE subscriber = :subscriber AND appid > lanes.appid AND {open})
        FROM lanes WHERE lanes.appid IS NOT NULL
    ), ends AS MATERIALIZED (
        SELECT lanes.appid AS account,
            (SELECT min(id) FROM deliveries
             WHERE subscriber = :subscriber AND appid = lanes.appid
             AND state = 'pending' AND {open}) AS waiting,
            (SELECT min(id) FROM deliveries
             WHERE subscriber = :subscriber AND appid = lanes.appid
             AND state = 'sending' AND {open}) AS sending
        FROM lanes WHERE lanes.appid IS NOT NULL
    ), heads AS (
        SELECT account, CASE WHEN sending IS NULL OR waiting < sending THEN waiting ELSE sending END AS id
        FROM ends
    )
    SELECT account, id FROM heads
    WHERE NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE subscriber = :subscriber AND appid = heads.account
        AND state = 'sending' AND {open} AND lease_until > :now)
    AND :now >= (
        SELECT CASE WHEN state = 'pending' THEN not_before ELSE lease_until END
        FROM deliveries WHERE deliveries.id = heads.id)
    LIMIT :most"""


def _heads(since: str) -> TextClause:
    return text(HEADS.format(since=since, open=OPEN)).bindparams(bindparam("now", type_=Moment()))


FROM_THE_FIRST, BEHIND = _heads(">="), _heads(">")


def find_heads(
    connection: Connection, subscriber: str, *, behind: str | None, now: datetime, most: int
) -> Sequence[tuple[str, int]]:
    """List account and id of heads that are due, from the account behind one on and round to it again."""
    asked = {"subscriber": subscriber, "now": now}
    found: dict[int, str] = {}
    if behind is not None:
        rows = connection.execute(BEHIND, {**asked, "since": behind, "most": most})
        found = {row.id: row.account for row in rows}
    if len(found) < most:
        # The first account may have no name: component events that concern none.
        rows = connection.execute(FROM_THE_FIRST, {**asked, "since": "", "most": most})
        found |= {row.id: row.account for row in rows}
    return [(account, head) for head, account in found.items()][:most]
