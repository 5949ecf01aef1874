"""The life of signing keys: published before they sign, kept until their last token is forgotten."""

from datetime import UTC, datetime, timedelta

from wxgate.login.oidc.keys import PUBLISHED_AHEAD, ROTATED_AFTER, STAYS, done, is_due, signing_key
from wxgate.login.records import SigningKey
from wxgate.secret import Secret

START = datetime(2026, 11, 21, tzinfo=UTC)
HOUR = timedelta(hours=1)


def key(kid: str, signs_from: datetime, algorithm: str = "RS256") -> SigningKey:
    """Make a key by its dates alone."""
    return SigningKey(kid, "shop", algorithm, {}, Secret(""), signs_from - PUBLISHED_AHEAD, signs_from)


OLD, NEW = key("old", START), key("new", START + ROTATED_AFTER + PUBLISHED_AHEAD)
KEYS = [OLD, NEW, key("pairwise", START, "pairwise")]


def test_a_published_key_does_not_sign_before_its_time() -> None:
    assert signing_key(KEYS, "RS256", NEW.signs_from - HOUR) is OLD
    assert signing_key(KEYS, "RS256", NEW.signs_from) is NEW
    assert signing_key(KEYS, "ES256", NEW.signs_from) is None


def test_a_new_key_is_due_once() -> None:
    assert not is_due([OLD], "RS256", START + ROTATED_AFTER - HOUR)
    assert is_due([OLD], "RS256", START + ROTATED_AFTER)
    assert not is_due(KEYS, "RS256", START + ROTATED_AFTER)


def test_an_old_key_stays_until_nobody_holds_its_tokens() -> None:
    assert done(KEYS, NEW.signs_from) == []
    assert done(KEYS, NEW.signs_from + STAYS - HOUR) == []
    assert done(KEYS, NEW.signs_from + STAYS) == [OLD]
    assert done([OLD], START + 10 * ROTATED_AFTER) == []
