"""`wxgate login` by command: from nothing to a client that can log people in, and back."""

import pytest

from tests.cli.conftest import Done, Within
from wxgate.errors import ConfigError, GatewayError

SITE = ("login", "app", "add", "site", "--appid", "wxsite00000000001", "--kind", "website")
SECRET = "0123456789abcdef-of-the-site"
CALLBACK = "https://shop.example/callback"


async def furnish(within: Within) -> Done:
    """Make a realm by its first app, and a client."""
    within.settings["WXGATE_PUBLIC_BASE_URL"] = "https://wx.example.com"
    added = await within(*SITE, "--secret", "-", stdin=SECRET)
    assert added.code == 0, added.err
    return await within("login", "client", "add", "shop", "--redirect-uri", CALLBACK, "--json")


async def test_one_command_makes_a_realm_and_says_what_wechat_must_know(within: Within) -> None:
    made = await furnish(within)
    assert made.json["issuer"] == "https://wx.example.com/oidc/main"
    assert made.json["client_secret"].startswith("wxcs_")
    realms = await within("login", "realm", "list")
    assert "https://wx.example.com/oidc/main" in realms.out
    shown = await within("login", "app", "show", "site")
    assert "https://wx.example.com/login/wechat/site" in shown.out
    assert "授权回调域" in shown.out
    assert SECRET not in shown.out


async def test_a_secret_is_shown_once_and_rotated(within: Within) -> None:
    made = (await furnish(within)).json
    shown = await within("login", "client", "show", "shop")
    assert made["client_id"] in shown.out
    assert made["client_secret"] not in shown.out
    rotated = await within("login", "client", "rotate-secret", "shop")
    assert "wxcs_" in rotated.out
    assert made["client_secret"] not in rotated.out


async def test_what_is_given_changes_and_the_rest_stays(within: Within) -> None:
    await furnish(within)
    done = await within(
        *("login", "realm", "set", "main", "--idle", "14d", "--recheck", "30min"),
        *("--return-to", "https://shop.example/", "--no-silent", "--json"),
    )
    assert done.json["limits"] == {
        "idle_seconds": 14 * 86400, "absolute_seconds": 30 * 86400, "recheck_seconds": 1800,
    }  # fmt: skip
    assert (done.json["return_to"], done.json["silent"]) == (["https://shop.example"], False)
    assert (await within("login", "realm", "set", "main", "--no-return-to", "--json")).json["return_to"] == []
    done = await within("login", "client", "set", "shop", "--scope", "openid", "--scope", "offline_access")
    assert "refresh_token" in done.out
    assert CALLBACK in done.out
    done = await within("login", "client", "set", "shop", "--absolute", "15d", "--json")
    assert done.json["limits"]["idle_seconds"] == 14 * 86400
    done = await within("login", "client", "set", "shop", "--disable")
    assert "disabled" in done.out
    done = await within("login", "app", "set", "site", "--title", "官网", "--json")
    assert (done.json["title"], done.json["has_secret"]) == ("官网", True)


async def test_everything_is_removed_again_and_a_realm_in_use_only_on_demand(within: Within) -> None:
    await furnish(within)
    with pytest.raises(ConfigError, match="--yes"):
        await within("login", "realm", "remove", "main")
    assert (await within("login", "client", "remove", "shop")).code == 0
    assert (await within("login", "app", "remove", "site")).code == 0
    assert (await within("login", "realm", "remove", "main", "--json")).json["name"] == "main"
    for kind in ("realm", "app", "client"):
        assert "`wxgate login" in (await within("login", kind, "list")).out


async def test_nobody_is_logged_in_at_first(within: Within) -> None:
    await furnish(within)
    assert "nobody" in (await within("login", "subject", "list")).out
    assert "nobody" in (await within("login", "session", "list")).out
    assert "no two people" in (await within("login", "subject", "conflicts")).out
    assert (await within("login", "session", "end", "--app", "site", "--json")).json == []


async def test_the_check_says_what_is_wrong_and_fails(within: Within) -> None:
    await furnish(within)
    done = await within("login", "check", "--json")
    assert (done.code, done.json["ok"]) == (0, True)
    assert [one["code"] for one in done.json["findings"]] == ["no_official_app"]
    assert done.json["domains"]["site"]["host"] == "wx.example.com"
    within.settings["WXGATE_PUBLIC_BASE_URL"] = "http://wx.example.com"
    wrong = await within("login", "check")
    assert wrong.code == 1
    assert "https" in wrong.out


async def test_keys_are_turned_over(within: Within) -> None:
    await furnish(within)
    before = (await within("login", "key", "list", "--json")).json
    assert {one["algorithm"] for one in before} == {"RS256", "ES256"}
    assert "signs from" in (await within("login", "key", "rotate")).out
    assert len((await within("login", "key", "list")).out.splitlines()) == 5


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("login", "client", "add", "x"), "no realm yet"),
        (("login", "app", "add", "x", "--appid", "wxnobody0000000001"), "does not know"),
        (SITE, "--secret-file"),
        (("login", "app", "add", "callback", "--appid", "wxnobody0000000001"), "cannot name an app"),
        (("login", "app", "set", "x"), "say what is to be different"),
        (("login", "realm", "add", "x", "--idle", "soon"), "span of time"),
        (("login", "session", "end"), "say which"),
        (("login", "subject", "merge", "u_1", "u_2"), "--yes"),
        (("login", "subject", "forget", "u_1"), "--yes"),
        (("login", "realm", "show", "x"), "login realm list"),
    ],
)
async def test_a_mistake_is_named_with_what_to_do(
    within: Within, arguments: tuple[str, ...], told: str
) -> None:
    with pytest.raises(GatewayError, match=told):
        await within(*arguments)
