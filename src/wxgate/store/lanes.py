"""Lanes: the deliveries of one account to an ordered subscriber go one after the other.

The first that is not over is the head of its lane; nothing behind it is taken. The lanes are walked by a
recursive query that finds the next account with one look into an index of open deliveries, so that neither
many delivered ones nor a long lane behind one that waits cost anything.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, TextClause, bindparam, text

from wxgate.store.tables import Moment

OPEN = "state IN ('pending', 'sending')"

WINDOW = 200
"""Accounts looked at in one query, so that a claim among very many costs no more than it has to."""

HEADS = """
    WITH RECURSIVE lanes(appid, place) AS (
        SELECT min(appid), 1 FROM deliveries
        WHERE subscriber = :subscriber AND appid {since} :since AND {open}
        UNION ALL
        SELECT (SELECT min(appid) FROM deliveries
                WHERE subscriber = :subscriber AND appid > lanes.appid AND {open}), place + 1
        FROM lanes WHERE lanes.appid IS NOT NULL AND place < :accounts
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
    SELECT account, id, NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE subscriber = :subscriber AND appid = heads.account
        AND state = 'sending' AND {open} AND lease_until > :now)
    AND :now >= (
        SELECT CASE WHEN state = 'pending' THEN not_before ELSE lease_until END
        FROM deliveries WHERE deliveries.id = heads.id) AS due
    FROM heads"""

STILL_HEAD = """
    NOT EXISTS (
        SELECT 1 FROM deliveries AS ahead
        WHERE ahead.subscriber = deliveries.subscriber AND ahead.appid = deliveries.appid
        AND ahead.state = 'pending' AND ahead.{open} AND ahead.id < deliveries.id)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS ahead
        WHERE ahead.subscriber = deliveries.subscriber AND ahead.appid = deliveries.appid
        AND ahead.state = 'sending' AND ahead.{open}
        AND (ahead.id < deliveries.id OR ahead.lease_until > :at))"""

IS_HEAD = text(STILL_HEAD.format(open=OPEN)).bindparams(bindparam("at", type_=Moment()))
"""Whether a delivery is still the first of its lane, and nothing of the lane is being sent."""


def _heads(since: str) -> TextClause:
    return text(HEADS.format(since=since, open=OPEN)).bindparams(bindparam("now", type_=Moment()))


FROM_THE_FIRST, BEHIND = _heads(">="), _heads(">")


def find_heads(
    connection: Connection, subscriber: str, *, behind: str | None, now: datetime, most: int
) -> Sequence[tuple[str, int]]:
    """List account and id of heads that are due, from the account behind one on and round to it again.

    Meant to run outside the transaction that takes them: where many accounts wait and none is due, all are
    looked at. Whoever takes them checks again with IS_HEAD.
    """
    return list(islice(_walk(connection, subscriber, behind, now), most))


def _walk(
    connection: Connection, subscriber: str, behind: str | None, now: datetime
) -> Iterator[tuple[str, int]]:
    """Walk the accounts once round, window by window."""
    # The first account may have no name: component events that concern none.
    start = (FROM_THE_FIRST, "")
    query, since = start if behind is None else (BEHIND, behind)
    walked: set[str] = set()
    while True:
        asked = {"subscriber": subscriber, "since": since, "now": now, "accounts": WINDOW}
        rows = connection.execute(query, asked).all()
        for row in rows:
            if row.account in walked:
                return
            walked.add(row.account)
            if row.due:
                yield row.account, row.id
        if len(rows) == WINDOW:
            query, since = BEHIND, rows[-1].account
        elif behind is None:
            return
        else:
            (query, since), behind = start, None
