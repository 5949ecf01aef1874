"""The cookies by themselves: their names and attributes on https, and what is read of odd ones."""

from datetime import UTC, datetime, timedelta
from http.cookies import SimpleCookie

from starlette.responses import Response

from wxgate.login.visits import NOTHING_HELD, Cookies
from wxgate.secret import BrowserKey, Presence, SessionId
from wxgate.server.login.cookies import CookieJar

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ID, PRESENCE, KEY = "i" * 43, "p" * 22, "k" * 43

EVERYTHING = Cookies(
    realm="shops",
    session=SessionId(ID),
    session_until=NOW + timedelta(days=30),
    presence=Presence(PRESENCE),
    browser_key=BrowserKey(KEY),
    loops=1,
    logged_out=False,
)


def written(base: str, cookies: Cookies) -> SimpleCookie:
    """Write cookies and read them as a browser would."""
    response = Response()
    CookieJar(base).write(response, cookies, NOW)
    found: SimpleCookie = SimpleCookie()
    for line in response.headers.getlist("set-cookie"):
        found.load(line)
    return found


def test_on_https_no_other_host_can_set_them_and_no_script_can_read_them() -> None:
    cookies = written("https://login.example.com", EVERYTHING)
    assert set(cookies) == {
        f"__Host-{name}" for name in ("wxs-shops", "wxp-shops", "wxa", "wxl", "wxo-shops")
    }
    for cookie in cookies.values():
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"].lower() == "lax"
        assert (cookie["path"], cookie["domain"]) == ("/", "")


def test_only_the_session_outlives_the_browser() -> None:
    cookies = written("https://login.example.com", EVERYTHING)
    ages = {name.removeprefix("__Host-"): cookie["max-age"] for name, cookie in cookies.items()}
    assert ages == {
        "wxs-shops": str(30 * 24 * 3600),
        "wxp-shops": "",
        "wxa": "",
        "wxl": "60",
        "wxo-shops": "0",
    }


def test_an_attempt_keeps_the_first_key_of_a_browser_for_as_long_as_it_lives() -> None:
    first = Cookies(browser_key=BrowserKey(KEY), attempt="0123456789abcdef")
    cookies = written("https://login.example.com", first)
    assert {name: cookie["max-age"] for name, cookie in cookies.items()} == {
        "__Host-wxa": "",
        "__Host-wxa-0123456789abcdef": "600",
    }
    jar = CookieJar("https://login.example.com")
    assert jar.key_of({"__Host-wxa-0123456789abcdef": KEY}, "0123456789abcdef") == BrowserKey(KEY)
    assert jar.key_of({"__Host-wxa": KEY}, "0123456789abcdef") is None


def test_a_session_that_is_over_is_taken_back() -> None:
    cookies = written("http://127.0.0.1", Cookies(realm="shops", forget=True, logged_out=True))
    assert {name: cookie["max-age"] for name, cookie in cookies.items()} == {
        "wxs-shops": "0",
        "wxp-shops": "0",
        "wxo-shops": "",
    }


def test_what_is_read_is_what_was_written_and_realms_do_not_mix() -> None:
    jar = CookieJar("https://login.example.com")
    sent = {
        "__Host-wxs-shops": ID,
        "__Host-wxp-shops": PRESENCE,
        "__Host-wxo-cafes": "1",
        "__Host-wxa": KEY,
        "__Host-wxl": "2",
    }
    shown = jar.read(sent)
    assert shown.held["shops"].session_id == SessionId(ID)
    assert shown.held["shops"].presence == Presence(PRESENCE)
    assert shown.held["cafes"].logged_out
    assert shown.held["cafes"].session_id is None
    assert (shown.browser_key, shown.loops) == (BrowserKey(KEY), 2)


def test_odd_cookies_and_those_of_plain_http_count_as_absent() -> None:
    jar = CookieJar("https://login.example.com")
    shown = jar.read(
        {
            "wxs-shops": ID,
            "wxa": KEY,
            "__Host-wxs-shops": "no id\x00",
            "__Host-wxs-": ID,
            "__Host-wxs-../..": ID,
            "__Host-wxa": "short",
            "__Host-wxl": "-1",
        }
    )
    assert shown.held.get("shops", NOTHING_HELD).session_id is None
    assert set(shown.held) <= {"shops"}
    assert (shown.browser_key, shown.loops) == (None, 0)
