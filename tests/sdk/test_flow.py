"""A login from the first page to the last, as visitors do it: straight on, twice, halfway, and not at all."""

from datetime import timedelta

import pytest

from tests.sdk.issuer import EC, ISSUER, NEXT_RSA, RSA
from tests.sdk.visiting import DESKTOP, WECHAT, Site, options, path_of
from wxgate.errors import ConfigError
from wxgate.sdk.login import Acr, Login, Policy

REQUIRED = Policy.demanding()


@pytest.fixture
def site() -> Site:
    """A site where everybody may look."""
    return Site.make()


def test_a_visitor_logs_in_and_is_back_at_the_page_that_asked(site: Site) -> None:
    visitor = site.visitor(DESKTOP)
    sent = visitor.opens("/orders?page=2", REQUIRED)
    asked = site.issuer.read(sent.location)
    assert asked["redirect_uri"] == "https://shop.example/wechat/callback"
    assert asked["scope"] == "openid"
    assert asked["code_challenge_method"] == "S256"
    assert "prompt" not in asked

    back = visitor.returns(**site.issuer.arrive(sent.location))
    assert back.location == "/orders?page=2"
    assert visitor.opens("/orders?page=2", REQUIRED).sub == "u_zhang"
    assert visitor.fetches("/api/orders", REQUIRED).sub == "u_zhang"


def test_nickname_and_avatar_are_there_when_a_page_asks_for_consent(site: Site) -> None:
    visitor, consent = site.visitor(), Policy.demanding("consent")
    site.issuer.userinfo = {"name": "张三 🌸", "picture": "https://wx.qlogo.cn/1", "locale": "zh_CN"}
    visitor.logs_in()

    sent = visitor.opens("/me", consent)
    assert site.issuer.read(sent.location)["scope"] == "openid profile"
    assert site.issuer.read(sent.location)["acr_values"] == Acr.CONSENT
    seen = visitor.follows(sent, acr=Acr.CONSENT)

    assert seen.visit.person is not None
    assert (seen.visit.person.name, seen.visit.person.acr) == ("张三 🌸", Acr.CONSENT)
    assert visitor.opens("/me", consent).sub == "u_zhang"


def test_a_silent_site_asks_wechat_once_and_shows_the_page_to_nobody_if_it_does_not_know() -> None:
    site = Site.make(need="silent")
    visitor = site.visitor()
    sent = visitor.opens("/")
    assert site.issuer.read(sent.location)["prompt"] == "none"
    assert visitor.returns(**site.issuer.refuse(sent.location, "login_required")).location == "/"
    assert visitor.opens("/").sub is None
    assert site.visitor(DESKTOP).opens("/").sub is None

    visitor.waits(minutes=10)
    assert visitor.follows(visitor.opens("/")).sub == "u_zhang"


def test_a_kill_of_wechat_costs_one_silent_check_and_keeps_the_nickname(site: Site) -> None:
    visitor = site.visitor()
    visitor.logs_in(name="张三")
    visitor.is_killed()

    sent = visitor.opens("/orders")
    asked = site.issuer.read(sent.location)
    assert (asked["prompt"], asked["scope"]) == ("none", "openid")
    seen = visitor.follows(sent)

    assert seen.sub == "u_zhang"
    assert seen.visit.person is not None
    assert seen.visit.person.name == "张三"
    assert visitor.opens("/orders").sub == "u_zhang"


def test_another_person_at_the_same_phone_never_sees_the_first_ones_page(site: Site) -> None:
    visitor = site.visitor()
    visitor.logs_in("u_zhang", name="张三")
    stolen = dict(visitor.lasting)
    visitor.is_killed()

    seen = visitor.follows(visitor.opens("/orders"), "u_li")

    assert seen.sub == "u_li"
    assert seen.visit.person is not None
    assert seen.visit.person.name == ""
    visitor.lasting, visitor.agent = stolen, DESKTOP
    assert visitor.opens("/orders").sub is None, "the first session has ended, wherever its cookie is shown"


def test_who_cannot_be_checked_is_nobody(site: Site) -> None:
    visitor = site.visitor()
    visitor.logs_in()
    visitor.is_killed()
    sent = visitor.opens("/orders")
    assert visitor.returns(**site.issuer.refuse(sent.location, "interaction_required")).location == "/orders"
    assert visitor.opens("/orders").sub is None
    assert "prompt" not in site.issuer.read(visitor.opens("/orders", REQUIRED).location)


def test_a_script_is_told_where_to_log_in_and_comes_back_to_its_page(site: Site) -> None:
    visitor = site.visitor()
    told = visitor.fetches("/api/orders", REQUIRED, "POST", referer="https://shop.example/cart?x=1")
    assert told.status == 401
    assert told.document["error"] == "login_required"

    sent = visitor.opens(path_of(told.document["url"]))
    assert visitor.returns(**site.issuer.arrive(sent.location)).location == "/cart?x=1"

    visitor.is_killed()
    told = visitor.fetches("/api/orders", REQUIRED, referer="https://elsewhere.example/")
    assert told.document["error"] == "reauth_required"
    sent = visitor.opens(path_of(told.document["url"]))
    assert visitor.returns(**site.issuer.arrive(sent.location)).location == "/"


def test_a_form_that_is_sent_without_a_login_is_not_redirected(site: Site) -> None:
    headers = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept-language": "en"}
    seen = site.visitor().asks("/orders", REQUIRED, "POST", headers)
    assert seen.status == 401
    assert "send it again" in seen.text


def test_the_name_android_gives_itself_does_not_make_a_page_a_script(site: Site) -> None:
    headers = {"x-requested-with": "com.tencent.mm", "accept": "text/html,*/*"}
    assert site.visitor().asks("/", REQUIRED, headers=headers).status == 303
    headers["x-requested-with"] = "XMLHttpRequest"
    assert site.visitor().asks("/", REQUIRED, headers=headers).status == 401


def test_tabs_do_not_disturb_each_other_and_old_attempts_make_room(site: Site) -> None:
    visitor = site.visitor(DESKTOP)
    sent = []
    for number in range(7):
        sent.append(visitor.opens(f"/{number}", REQUIRED).location)
        visitor.waits(seconds=1)
    assert len(visitor.cookies) == 5

    for number in (6, 3, 2):
        assert visitor.returns(**site.issuer.arrive(sent[number])).location == f"/{number}"
    assert visitor.returns(**site.issuer.arrive(sent[0])).location == "/", "forgotten, but logged in by now"


def test_attempts_from_long_addresses_leave_room_in_the_header(site: Site) -> None:
    visitor = site.visitor(DESKTOP)
    for number in range(5):
        page = f"/{number}" + "a" * 990
        sent = visitor.opens(page, REQUIRED).location
        visitor.waits(seconds=1)
        assert len(visitor.cookie_header) < 3200
    assert visitor.returns(**site.issuer.arrive(sent)).location == page


def test_back_and_reload_of_the_callback_end_where_the_login_ended(site: Site) -> None:
    visitor = site.visitor()
    arrived = site.issuer.arrive(visitor.opens("/wechat/login?return_to=/cart").location)
    assert visitor.returns(**arrived).location == "/cart"
    assert visitor.returns(**arrived).location == "/cart"
    assert site.issuer.asked.count("/token") == 1


def test_a_callback_that_comes_twice_at_once_ends_well_for_both(site: Site) -> None:
    visitor = site.visitor()
    arrived = site.issuer.arrive(visitor.opens("/wechat/login?return_to=/cart").location)
    before = dict(visitor.lasting)
    assert visitor.returns(**arrived).location == "/cart"
    # The second was sent before the first was answered: with the same cookies.
    visitor.lasting, visitor.passing = before, {}
    again = visitor.returns(**arrived)
    assert visitor.returns(**site.issuer.arrive(again.location)).location == "/cart"
    assert visitor.opens("/cart").sub == "u_zhang"


def test_a_spent_code_restarts_once_and_then_asks(site: Site) -> None:
    visitor = site.visitor()
    sent = visitor.opens("/wechat/login?return_to=/cart").location
    again = visitor.returns(**(site.issuer.arrive(sent) | {"code": "spent"})).location
    assert site.issuer.read(again)["state"] != site.issuer.read(sent)["state"]
    ended = visitor.returns(**(site.issuer.arrive(again) | {"code": "spent"}))
    assert ended.status == 400
    assert "return_to=%2Fcart" in ended.text


def test_a_callback_nobody_here_began_logs_nobody_in(site: Site) -> None:
    theirs = site.visitor()
    arrived = site.issuer.arrive(theirs.opens("/wechat/login").location, "u_attacker")
    mine = site.visitor()
    seen = mine.returns(**arrived)
    assert seen.status == 400
    assert mine.cookies == {}
    assert "/token" not in site.issuer.asked

    mine.logs_in("u_zhang")
    assert mine.returns(**arrived).location == "/"
    assert mine.opens("/").sub == "u_zhang"


def test_an_attempt_is_forgotten_after_a_quarter_of_an_hour(site: Site) -> None:
    visitor = site.visitor()
    arrived = site.issuer.arrive(visitor.opens("/wechat/login").location)
    kept = dict(visitor.lasting)
    visitor.waits(minutes=15)
    visitor.lasting = {name: (text, site.clock.now() + timedelta(days=1)) for name, (text, _) in kept.items()}
    assert visitor.returns(**arrived).status == 400


def test_who_cancels_sees_a_kind_page(site: Site) -> None:
    visitor = site.visitor()
    sent = visitor.opens("/wechat/login?return_to=/cart")
    seen = visitor.returns(**site.issuer.refuse(sent.location, "access_denied"))
    assert seen.status == 403
    assert "您取消了登录" in seen.text
    assert seen.answer is not None
    assert dict(seen.answer.headers)["Cache-Control"] == "no-store"


def test_an_answer_of_another_issuer_is_refused(site: Site) -> None:
    for iss in ("https://evil.example", ""):
        visitor = site.visitor()
        arrived = site.issuer.arrive(visitor.opens("/wechat/login").location) | {"iss": iss}
        assert visitor.returns(**arrived).status == 400
    assert "/token" not in site.issuer.asked


def test_a_browser_that_keeps_no_cookies_gets_a_page_and_no_loop(site: Site) -> None:
    visitor = site.visitor()
    visitor.accepts_cookies = False
    seen = visitor.returns(**site.issuer.arrive(visitor.opens("/orders", REQUIRED).location))
    assert seen.status == 400


def test_a_browser_that_drops_the_session_is_stopped_after_two_hops(site: Site) -> None:
    visitor = site.visitor(DESKTOP)
    for _ in range(2):
        visitor.returns(**site.issuer.arrive(visitor.opens("/orders", REQUIRED).location))
        visitor.lasting.pop("__Host-wxlogin")
    seen = visitor.opens("/orders", REQUIRED)
    assert seen.status == 400
    assert "Cookie" in seen.text
    visitor.waits(seconds=60)
    assert visitor.follows(visitor.opens("/orders", REQUIRED)).sub == "u_zhang"


def test_a_logout_ends_the_session_here_and_there_and_stays_out() -> None:
    site = Site.make(need="silent")
    visitor = site.visitor()
    visitor.logs_in()
    stolen = dict(visitor.lasting)
    assert 'method="post"' in visitor.opens("/wechat/logout").text

    sent = visitor.asks("/wechat/logout", method="POST", headers={"sec-fetch-dest": "document"}).location
    assert sent.startswith(f"{ISSUER}/logout?id_token_hint=")
    assert sent.endswith("&post_logout_redirect_uri=https%3A%2F%2Fshop.example%2F")
    assert visitor.opens("/").sub is None, "no silent login after a logout"
    refused = visitor.opens("/orders", REQUIRED)
    assert refused.status == 401
    assert "您已退出登录" in refused.text

    visitor.waits(seconds=1)
    assert visitor.logs_in().sub == "u_zhang"
    visitor.lasting, visitor.agent = stolen, DESKTOP
    assert visitor.opens("/").sub is None


def test_another_site_cannot_log_anybody_out(site: Site) -> None:
    visitor = site.visitor()
    visitor.logs_in()
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert visitor.asks("/wechat/logout", method="POST", headers=headers).status == 403
    assert visitor.opens("/").sub == "u_zhang"
    page = visitor.opens("/wechat/logout").answer
    assert page is not None
    assert dict(page.headers)["Referrer-Policy"] == "same-origin", "else our own form has the origin null"
    same = {"sec-fetch-site": "same-origin", "origin": "null", "sec-fetch-mode": "cors"}
    assert visitor.asks("/wechat/logout", method="POST", headers=same).status == 200


def test_the_gateway_ends_a_session_from_behind(site: Site) -> None:
    one, other = site.visitor(DESKTOP), site.visitor(DESKTOP)
    one.logs_in("u_zhang")
    other.logs_in("u_li")
    for claims in ({"sid": "sid-of-u_zhang"}, {"sub": "u_li"}):
        body = f"logout_token={site.issuer.logout_token(**claims)}".encode()
        assert other.asks("/wechat/backchannel-logout", method="POST", body=body).status == 200
    assert one.opens("/").sub is None
    assert other.opens("/").sub is None
    other.waits(seconds=2)
    assert other.logs_in("u_li").sub == "u_li"


@pytest.mark.parametrize(
    "claims",
    [
        {"sid": None},
        {"sid": "s", "nonce": "n"},
        {"sid": "s", "events": {}},
        {"sid": "s", "aud": "wxcl_other"},
        {"sid": "s", "iss": "https://evil.example"},
        {"sid": "s", "exp": 1},
        {"sid": "s", "iat": 1},
    ],
    ids="_".join,
)
def test_a_logout_token_that_is_not_quite_one_ends_nothing(site: Site, claims: dict[str, object]) -> None:
    visitor = site.visitor()
    body = f"logout_token={site.issuer.logout_token(**claims)}".encode()
    told = visitor.asks("/wechat/backchannel-logout", method="POST", body=body)
    assert told.status == 400
    assert told.document["error"] == "invalid_request"


def test_a_new_signing_key_is_fetched_once_and_strangers_keys_not_again_and_again(site: Site) -> None:
    visitor = site.visitor()
    visitor.logs_in()
    site.issuer.signing, site.issuer.published = NEXT_RSA, [NEXT_RSA, EC]
    assert visitor.logs_in().sub == "u_zhang"
    assert site.issuer.asked.count("/jwks.json") == 2

    site.issuer.signing = RSA
    for _ in range(5):
        body = f"logout_token={site.issuer.logout_token(sid='s')}".encode()
        assert visitor.asks("/wechat/backchannel-logout", method="POST", body=body).status == 400
    assert site.issuer.asked.count("/jwks.json") == 2
    visitor.waits(seconds=30)
    site.issuer.published = [RSA]
    assert visitor.logs_in().sub == "u_zhang"


def test_a_gateway_that_does_not_answer_keeps_nobody_out_of_public_pages() -> None:
    site = Site.make(need="silent")
    site.issuer.down = True
    visitor = site.visitor()
    assert visitor.opens("/").sub is None
    assert visitor.opens("/orders", REQUIRED).status == 503
    assert visitor.fetches("/orders", REQUIRED).status == 401
    assert site.issuer.asked == ["/.well-known/openid-configuration"], "it is not asked with every page"

    site.issuer.down = False
    visitor.waits(seconds=10)
    sent = visitor.opens("/orders", REQUIRED)
    site.issuer.down = True
    arrived = site.issuer.arrive(sent.location)
    assert visitor.returns(**arrived).status == 503
    site.issuer.down = False
    assert visitor.returns(**arrived).location == "/orders", "a reload is enough"


def test_a_logout_that_was_lost_on_the_way_is_made_up_for_in_half_a_day(site: Site) -> None:
    visitor = site.visitor(DESKTOP)
    visitor.logs_in()
    visitor.waits(hours=12)
    sent = visitor.opens("/orders")
    assert "prompt=none" in sent.location
    assert visitor.returns(**site.issuer.refuse(sent.location, "login_required")).location == "/orders"
    assert visitor.opens("/orders").sub is None


def test_a_session_slides_once_a_day_with_pages_and_not_with_scripts() -> None:
    visitor = Site.make(recheck_elsewhere=timedelta(days=60)).visitor(DESKTOP)
    visitor.logs_in()
    first = visitor.cookies["__Host-wxlogin"]
    visitor.waits(days=1)
    assert visitor.fetches("/").sub == "u_zhang"
    assert visitor.cookies["__Host-wxlogin"] == first
    for _ in range(28):
        assert visitor.opens("/").sub == "u_zhang"
        visitor.waits(days=1)
    assert visitor.cookies["__Host-wxlogin"] != first
    assert visitor.opens("/").sub == "u_zhang"
    visitor.waits(days=1)
    assert visitor.opens("/").sub is None, "a month is the end"


def test_a_cookie_of_another_secret_or_another_name_is_nobodys(site: Site) -> None:
    visitor = site.visitor(DESKTOP)
    visitor.logs_in()
    (sealed, until) = visitor.lasting["__Host-wxlogin"]
    others = {
        "turned": sealed[:-2] + ("A" if sealed[-2] != "A" else "B") + sealed[-1],
        "cut": sealed[:20],
        "nonsense": "ü",
        "empty": "",
    }
    for wrong in others.values():
        visitor.lasting["__Host-wxlogin"] = (wrong, until)
        assert visitor.opens("/").sub is None
    attempt = next(name for name in visitor.lasting if "-a-" in name)
    visitor.lasting["__Host-wxlogin"] = visitor.lasting[attempt]
    assert visitor.opens("/").sub is None

    visitor.lasting["__Host-wxlogin"] = (sealed, until)
    new = "another key, which has no fewer than 32 characters"
    site.login = Login(options(secret_key=new), fetch=site.issuer.fetch, clock=site.clock)
    assert visitor.opens("/").sub is None
    keys = [new, *options().secrets]
    site.login = Login(options(secret_key=keys), fetch=site.issuer.fetch, clock=site.clock)
    assert visitor.opens("/").sub == "u_zhang"


def test_a_session_fits_into_its_cookie_whatever_its_person_is_called(site: Site) -> None:
    visitor = site.visitor()
    seen = visitor.logs_in(name="🌸" * 900, picture="https://wx.qlogo.cn/" + "x" * 480, filler="y" * 3000)
    assert seen.visit.person is not None
    assert seen.visit.person.name == "🌸" * 64
    assert seen.visit.person.picture
    assert max(map(len, visitor.cookies.values())) < 4000
    sent = visitor.asks("/wechat/logout", method="POST", headers={"sec-fetch-dest": "document"}).location
    assert "id_token_hint" not in sent, "the ID token was what there was no room for"
    assert "client_id=wxcl_shop" in sent


def test_on_http_the_cookies_have_plain_names() -> None:
    login = Login(options(base_url="http://127.0.0.1:8000", issuer="http://127.0.0.1:9000/oidc/shop"))
    assert login.options.redirect_uri == "http://127.0.0.1:8000/wechat/callback"
    assert not login.options.is_secure


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "gateway.example"},
        {"issuer": "http://gateway.example/oidc/shop"},
        {"base_url": "http://shop.example"},
        {"base_url": "https://user@shop.example"},
        {"client_id": ""},
        {"need": "much"},
        {"path": "wechat"},
        {"secret_key": "short"},
        {"secret_key": []},
    ],
    ids=str,
)
def test_options_that_cannot_work_are_refused_at_the_start(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Login(options(**wrong))


def test_nothing_secret_is_in_what_is_printed(site: Site) -> None:
    visitor = site.visitor(WECHAT)
    seen = visitor.logs_in()
    printed = repr(seen.visit) + repr(site.login.options) + repr(seen.visit.kept.session)
    for secret in (*visitor.cookies.values(), options().client_secret, *options().secrets):
        assert secret not in printed
