"""What a key may do, as pure rules: scopes, reach, networks, and whose token it gets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from wxgate.custody.clients import (
    Client,
    ClientScope,
    Reach,
    Target,
    check_rights,
    digest,
    new_key,
    read_key,
    read_networks,
)
from wxgate.custody.records import AuthorizationState
from wxgate.custody.targets import choose_issuer, require_platform
from wxgate.errors import ConfigError, NotAuthorized, NotFound, ScopeMissing, SeveralIssuers

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ACTIVE, REVOKED = AuthorizationState.ACTIVE, AuthorizationState.REVOKED
TOKENS = frozenset({ClientScope.AUTHORIZER, ClientScope.DIRECT})

CLIENT = Client("0123456789ab", "crm", digest("s"), TOKENS, Reach(), True, (), NOW)
SHOP = Target("wxshop", (("wxp", ACTIVE),), tags=frozenset({"shops"}))
STRANGER = Target("wxstranger")


def reaching(**narrowed: set[str]) -> Client:
    """Make a client whose key is narrowed."""
    return replace(CLIENT, reach=Reach(**{name: frozenset(values) for name, values in narrowed.items()}))


def missing(client: Client, target: Target, asked: str | None = None) -> str:
    """Tell what a client lacks for an account's token."""
    with pytest.raises(ScopeMissing) as caught:
        choose_issuer(client, target, asked)
    return caught.value.missing


def test_a_key_is_read_back_into_its_parts_and_kept_as_a_digest() -> None:
    key, identity, kept = new_key(lambda count: "ab" * count, lambda count: "x" * 43)
    assert read_key(key.reveal()) == (identity, "x" * 43)
    assert kept == digest("x" * 43)
    assert replace(CLIENT, digest=kept).opens_with("x" * 43)
    assert not replace(CLIENT, digest=kept).opens_with("y" * 43)
    assert "x" * 43 not in repr(key)


@pytest.mark.parametrize(
    "text", ["", "wxg_", "wxg_0123456789ab_short", "x" * 60, "wxg_0123456789AB_" + "x" * 43]
)
def test_what_is_no_key_is_known_by_its_form(text: str) -> None:
    assert read_key(text) is None


def test_a_key_ends_by_revocation_or_at_its_time() -> None:
    expiring = replace(CLIENT, expires_at=NOW)
    assert expiring.ended(NOW - timedelta(seconds=1)) == ""
    assert expiring.ended(NOW) == "expired"
    assert replace(expiring, revoked_at=NOW).ended(NOW) == "revoked"


@pytest.mark.parametrize(
    ("ip", "may"),
    [("10.1.2.3", True), ("::ffff:10.1.2.3", True), ("11.1.2.3", False), ("2001:db8::5", True), ("", False)],
)
def test_a_key_comes_only_from_its_networks(ip: str, may: bool) -> None:
    limited = replace(CLIENT, networks=read_networks(["10.0.0.0/8", "2001:db8::/32"]))
    assert limited.may_come_from(ip) is may
    assert CLIENT.may_come_from(ip)


@pytest.mark.parametrize(
    ("client", "asked", "issuer"),
    [
        (CLIENT, None, "wxp"),
        (CLIENT, "wxp", "wxp"),
        (reaching(platforms={"wxp"}), None, "wxp"),
        (reaching(accounts={"wxshop"}), None, "wxp"),
        (reaching(tags={"shops", "other"}), None, "wxp"),
        (reaching(accounts={"wxother"}, tags={"shops"}), None, "wxp"),
    ],
)
def test_a_key_reaches_what_is_not_narrowed_away(client: Client, asked: str | None, issuer: str) -> None:
    assert choose_issuer(client, SHOP, asked) == issuer


@pytest.mark.parametrize(
    ("client", "asked", "lacks"),
    [
        (reaching(accounts={"wxother"}), None, "account:wxshop"),
        (reaching(tags={"other"}), None, "account:wxshop"),
        (reaching(platforms={"wxother"}), None, "platform"),
        (reaching(platforms={"wxother"}), "wxp", "platform:wxp"),
        (reaching(platforms={"wxp"}, accounts={"wxother"}), None, "account:wxshop"),
        (replace(CLIENT, scopes=frozenset({ClientScope.DIRECT})), None, "kind:authorizer"),
        (replace(CLIENT, scopes=frozenset({ClientScope.REPORT})), None, "kind:authorizer"),
    ],
)
def test_a_key_that_is_not_for_it_is_told_what_it_lacks(
    client: Client, asked: str | None, lacks: str
) -> None:
    assert missing(client, SHOP, asked) == lacks


@pytest.mark.parametrize(
    "client", [reaching(accounts={"wxother"}), reaching(tags={"other"}), reaching(platforms={"wxother"})]
)
def test_who_may_not_know_cannot_tell_a_stranger_from_an_account_out_of_reach(client: Client) -> None:
    assert missing(client, STRANGER).replace("wxstranger", "wxshop") == missing(client, SHOP)


@pytest.mark.parametrize("client", [CLIENT, reaching(accounts={"wxstranger"})])
def test_who_may_know_is_told_that_nobody_knows_the_account(client: Client) -> None:
    with pytest.raises(NotFound, match="wxstranger"):
        choose_issuer(client, STRANGER, None)


def test_of_several_issuers_one_must_be_named_or_left_over() -> None:
    shared = Target("wxshop", (("wxp", ACTIVE), ("wxq", ACTIVE), ("wxr", REVOKED)), is_direct=True)
    with pytest.raises(SeveralIssuers) as caught:
        choose_issuer(CLIENT, shared, None)
    assert caught.value.issuers == ("wxp", "wxq", "direct")
    assert choose_issuer(CLIENT, shared, "wxq") == "wxq"
    assert choose_issuer(reaching(platforms={"wxq", "wxr"}), shared, None) == "wxq"
    assert choose_issuer(replace(CLIENT, scopes=frozenset({ClientScope.DIRECT})), shared, None) == "direct"


def test_a_withdrawn_authorization_is_named_with_its_platform() -> None:
    with pytest.raises(NotAuthorized) as caught:
        choose_issuer(CLIENT, Target("wxshop", (("wxp", REVOKED),)), None)
    assert caught.value.platform == "wxp"


def test_a_key_for_some_accounts_is_not_for_their_platform() -> None:
    report = frozenset({ClientScope.REPORT, ClientScope.COMPONENT})
    require_platform(replace(CLIENT, scopes=report), ClientScope.REPORT, "wxp")
    for narrow in (reaching(accounts={"wxshop"}), reaching(tags={"shops"}), reaching(platforms={"wxq"})):
        with pytest.raises(ScopeMissing, match="wxp"):
            require_platform(replace(narrow, scopes=report), ClientScope.REPORT, "wxp")


@pytest.mark.parametrize(
    ("reach", "scopes", "everything", "may_renew", "told"),
    [
        (Reach(), TOKENS, False, True, "--all"),
        (Reach(frozenset({"wxp"})), TOKENS, True, True, "not both"),
        (Reach(), frozenset(), True, True, "needs a scope"),
        (Reach(accounts=frozenset({"a"})), frozenset({ClientScope.COMPONENT}), False, True, "component"),
        (Reach(), frozenset({ClientScope.REPORT}), True, False, "read-only"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(
    reach: Reach, scopes: frozenset[ClientScope], everything: bool, may_renew: bool, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        check_rights(reach, scopes, everything=everything, may_renew=may_renew)
