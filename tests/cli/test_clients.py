"""API keys, tags and hosts by command."""

import pytest

from tests.cli.conftest import Cli

APPID = "wx1234567890abcdef"


async def test_a_key_is_shown_once_listed_without_it_and_revoked(cli: Cli) -> None:
    added = await cli(
        *("client", "add", "crm", "--tag", "shops", "--scope", "authorizer", "--scope", "report"),
        *("--from", "10.0.0.0/8", "--days", "30", "--json"),
    )
    assert added.code == 0, added.err
    key, identity = added.json["key"], added.json["id"]
    assert key.startswith(f"wxg_{identity}_")
    listed = await cli("client", "list", "--json")
    assert [(one["id"], one["state"], one["scopes"]) for one in listed.json] == [
        (identity, "good", ["authorizer", "report"])
    ]
    shown = await cli("client", "show", identity)
    assert "accounts tagged shops" in shown.out
    assert key not in listed.out + shown.out
    assert (await cli("client", "revoke", identity)).code == 0
    assert (await cli("client", "show", identity, "--json")).json["state"] == "revoked"


async def test_the_audit_log_is_shown_empty_or_not(cli: Cli) -> None:
    assert "nothing" in (await cli("client", "audit")).out
    assert (await cli("client", "audit", "--json")).json == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("client", "add", "crm"), "--all"),
        (("client", "add", "crm", "--all", "--from", "nowhere"), "no address or network"),
        (("client", "add", "crm", "--all", "--scope", "report", "--read-only"), "read-only"),
        (("client", "show", "ffffffffffff"), "wxgate client list"),
        (("client", "audit", "ffffffffffff"), "wxgate client list"),
        (("account", "tag", APPID, "two words"), "cannot be a tag"),
        (("account", "host", APPID, "https://shop.example.com/"), "no host name"),
    ],
)
async def test_a_mistake_is_named_with_what_to_do(cli: Cli, arguments: tuple[str, ...], told: str) -> None:
    done = await cli(*arguments)
    assert done.code != 0
    assert told in done.err


async def test_tags_and_hosts_are_added_shown_and_taken_away(cli: Cli) -> None:
    assert (await cli("account", "tag", APPID, "shops", "vip", "--json")).json["tags"] == ["shops", "vip"]
    hosts = await cli("account", "host", APPID, "Shop.Example.com", "--json")
    assert (hosts.json["hosts"], hosts.json["tags"]) == (["shop.example.com"], ["shops", "vip"])
    assert (await cli("account", "tag", APPID, "vip", "--remove", "--json")).json["tags"] == ["shops"]
    assert (await cli("account", "tag", APPID)).out.split() == ["tags", "shops", "hosts", "shop.example.com"]
