"""`wxgate login` by command: from nothing to a client that can log people in, and back."""

from pathlib import Path

import pytest

from tests.cli.conftest import Done, Within
from wxgate.errors import ConfigError, GatewayError, NotFound

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
    with pytest.raises(ConfigError, match="say what is to be different"):
        await within("login", "realm", "set", "main")
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
    with pytest.raises(ConfigError, match="Say --yes if"):
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


async def test_an_account_that_nobody_knows_is_added_with_its_kind_and_secret(
    within: Within, tmp_path: Path
) -> None:
    secret = tmp_path / "s.txt"
    secret.write_text(SECRET, "utf-8")
    own = ("login", "app", "add", "own", "--appid", "wxnobody0000000001", "--secret-file", str(secret))
    with pytest.raises(ConfigError, match="--kind official"):
        await within(*own)
    done = await within(*own, "--kind", "official", "--title", "Acme café")
    assert done.code == 0
    assert "wxgate login realm set main --title" in done.out
    assert "realm set" not in (await within(*SITE, "--secret", "-", stdin=SECRET)).out


async def test_what_nobody_knows_is_not_ended_nor_imported(within: Within) -> None:
    await furnish(within)
    for given in (("--sub", "u_typo"), ("--app", "typo"), ("--client", "typo"), ("typo",)):
        with pytest.raises(NotFound, match=r"typo .*`wxgate login"):
            await within("login", "session", "end", *given)
    with pytest.raises(ConfigError, match="wxtypo0000000001"):
        await within("login", "import-openids", "--from", "wxtypo0000000001", "--to", "wxsite00000000001")
    none = await within(
        *("login", "import-openids", "--from", "wxsite00000000001", "--to", "wxother000000001", "--dry-run")
    )
    assert (none.code, none.out.strip()) == (0, "would be: no openids")


async def test_clients_have_names_of_their_own_and_addresses_to_come_back_to(within: Within) -> None:
    await furnish(within)
    with pytest.raises(ConfigError, match="has a client shop already"):
        await within("login", "client", "add", "shop", "--redirect-uri", CALLBACK)
    assert "--redirect-uri" in (await within("login", "client", "add", "handover")).err
    with pytest.raises(ConfigError, match="has a client shop already"):
        await within("login", "client", "set", "handover", "--name", "shop")
    found = (await within("login", "check", "--json")).json["findings"]
    assert [one["about"] for one in found if one["code"] == "no_redirect_uri"] == ["handover"]
    await within("login", "realm", "set", "main", "--return-to", "https://shop.example")
    assert (await within("login", "check", "--json")).json["ok"]


async def test_the_check_says_everything_in_both_languages(within: Within) -> None:
    await furnish(within)
    told = (await within("login", "check")).out
    assert "微信开放平台：管理中心 → 网站应用 → 开发信息 → 授权回调域" in told
    assert "open.weixin.qq.com: 管理中心" in told


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
