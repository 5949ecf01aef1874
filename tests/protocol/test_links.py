"""Links have WeChat's parameters in WeChat's order."""

from typing import Any

import pytest

from wxgate.protocol.links import (
    AuthType,
    LinkKind,
    Scope,
    authorization_link,
    oauth_link,
    oauth_on_behalf_link,
    qrconnect_link,
)

MP, OPEN = "https://mp.weixin.qq.com", "https://open.weixin.qq.com"
BACK = "https://a.example/back?x=1&y=中"
BACK_QUOTED = "https%3A%2F%2Fa.example%2Fback%3Fx%3D1%26y%3D%E4%B8%AD"


def _authorization(kind: LinkKind, **options: Any) -> str:
    return authorization_link(
        kind,
        base_mp=MP,
        base_open=OPEN,
        component_appid="wxc",
        pre_auth_code="preauthcode@@@a",
        redirect_uri=BACK,
        auth_type=AuthType.OFFICIAL_ACCOUNT_AND_MINI_PROGRAM,
        **options,
    )


@pytest.mark.parametrize(
    ("kind", "link"),
    [
        (
            LinkKind.PC,
            f"{MP}/cgi-bin/componentloginpage?component_appid=wxc&pre_auth_code=preauthcode%40%40%40a"
            f"&redirect_uri={BACK_QUOTED}&auth_type=3",
        ),
        (
            LinkKind.H5,
            f"{OPEN}/wxaopen/safe/bindcomponent?action=bindcomponent&no_scan=1&component_appid=wxc"
            f"&pre_auth_code=preauthcode%40%40%40a&redirect_uri={BACK_QUOTED}&auth_type=3#wechat_redirect",
        ),
        (
            LinkKind.H5_OLD,
            f"{MP}/safe/bindcomponent?action=bindcomponent&auth_type=3&no_scan=1&component_appid=wxc"
            f"&pre_auth_code=preauthcode%40%40%40a&redirect_uri={BACK_QUOTED}#wechat_redirect",
        ),
    ],
)
def test_an_authorization_link_has_wechats_form(kind: LinkKind, link: str) -> None:
    assert _authorization(kind) == link


@pytest.mark.parametrize("kind", LinkKind)
def test_account_and_permission_sets_can_be_chosen_for_the_merchant(kind: LinkKind) -> None:
    link = _authorization(kind, biz_appid="wxbiz", category_ids=(99, 31)).removesuffix("#wechat_redirect")
    assert link.endswith("&biz_appid=wxbiz&category_id_list=99%7C31")


def test_an_oauth_link_has_wechats_order() -> None:
    link = oauth_link(base_open=OPEN, appid="wx1", redirect_uri=BACK, scope=Scope.USERINFO, state="s")
    assert link == (
        f"{OPEN}/connect/oauth2/authorize?appid=wx1&redirect_uri={BACK_QUOTED}"
        "&response_type=code&scope=snsapi_userinfo&state=s#wechat_redirect"
    )


def test_an_oauth_link_on_behalf_names_the_platform_last() -> None:
    link = oauth_on_behalf_link(
        base_open=OPEN,
        appid="wx1",
        component_appid="wxc",
        redirect_uri=BACK,
        scope="snsapi_base,snsapi_userinfo",
        state="s",
        force_popup=True,
        force_snapshot=True,
    )
    assert link == (
        f"{OPEN}/connect/oauth2/authorize?appid=wx1&redirect_uri={BACK_QUOTED}&response_type=code"
        "&scope=snsapi_base,snsapi_userinfo&state=s&forcePopup=true&forceSnapShot=true&component_appid=wxc"
        "#wechat_redirect"
    )


def test_a_website_login_link_has_wechats_order() -> None:
    link = qrconnect_link(base_open=OPEN, appid="wx1", redirect_uri=BACK, state="s", lang="en")
    assert link == (
        f"{OPEN}/connect/qrconnect?appid=wx1&redirect_uri={BACK_QUOTED}"
        "&response_type=code&scope=snsapi_login&state=s&lang=en#wechat_redirect"
    )


def test_a_state_that_wechat_would_cut_is_refused() -> None:
    assert qrconnect_link(base_open=OPEN, appid="wx1", redirect_uri=BACK, state="s" * 128)
    with pytest.raises(ValueError, match="128 bytes"):
        qrconnect_link(base_open=OPEN, appid="wx1", redirect_uri=BACK, state="s" * 129)


def test_every_auth_type_has_two_names() -> None:
    assert sorted(AuthType) == [1, 2, 3, 4, 5, 6, 8]
    for kind in AuthType:
        assert kind.zh
        assert kind.en.isascii()
