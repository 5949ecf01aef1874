"""The packaged tables: error codes, endpoints, shapes and permission sets."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from wxgate.errors import WeChatError
from wxgate.protocol import endpoints, errcodes, permissions
from wxgate.protocol.advice import ADVICE
from wxgate.protocol.answers import error_of
from wxgate.protocol.permissions import AccountKind

SCRIPT = Path(__file__).parents[2] / "scripts" / "protocol_data.py"


@pytest.mark.parametrize(
    ("code", "errmsg"),
    [
        (-1, "system error"),
        (0, "ok"),
        (40001, "invalid credential, access_token is invalid or not latest"),
        (42001, "access_token expired"),
        (44002, "empty post data"),
        (45009, "reach max api daily quota limit"),
        (61004, "access clientip is not registered"),
        (61010, "code is expired"),
        (61023, "refresh_token is invalid"),
    ],
)
def test_an_errcode_has_wechats_own_text(code: int, errmsg: str) -> None:
    assert errcodes.errmsg(code) == errmsg


def test_a_code_that_wechat_never_published_is_not_known() -> None:
    assert errcodes.lookup(123456789) is None
    assert errcodes.errmsg(123456789) == ""


def test_the_catalogue_holds_every_published_code() -> None:
    known = [code for code in range(-1, 100_000) if errcodes.lookup(code)]
    assert len(known) > 1400
    assert errcodes.lookup(9402202)
    for code in ADVICE:
        entry = errcodes.lookup(code)
        assert entry is not None
        assert entry.cause == ADVICE[code].cause


@pytest.mark.parametrize("code", ADVICE)
def test_advice_is_one_sentence_in_each_language(code: int) -> None:
    advice = ADVICE[code]
    for english in (advice.cause, advice.action):
        assert english.endswith(".")
    for chinese in (advice.cause_zh, advice.action_zh):
        assert chinese.endswith("。")
        assert chinese.count("。") == 1


def test_an_unregistered_ip_is_named_in_the_explanation() -> None:
    error = error_of(
        61004, "access clientip is not registered requestIP: 1.2.3.4 rid: 5f92a0c3-4b491949-0aa4f69d"
    )
    explanation = errcodes.explain(error)
    assert explanation.action == "Add 1.2.3.4 to 白名单IP in the platform's settings at open.weixin.qq.com."
    assert "1.2.3.4" in explanation.cause_zh


@pytest.mark.parametrize("code", [61004, 40164])
def test_an_explanation_without_an_ip_still_reads(code: int) -> None:
    explanation = errcodes.explain(error_of(code, "invalid ip"))
    assert "this server's egress IP" in explanation.action
    assert "{ip}" not in str(explanation)


def test_an_unknown_code_is_explained_by_what_wechat_said() -> None:
    explanation = errcodes.explain(WeChatError(123456789, "strange", rid="66277be0-02270739-5ff9c0e1"))
    assert "strange" in explanation.cause
    assert "66277be0-02270739-5ff9c0e1" in explanation.action


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/cgi-bin/component/api_query_auth", "component"),
        ("cgi-bin/component/api_query_auth", "component"),
        ("/cgi-bin/component/api_component_token", "none"),
        ("/cgi-bin/message/custom/send?access_token=x", "authorizer"),
        ("/wxa/gettemplatelist", "component"),
        ("/cgi-bin/stable_token", "direct"),
    ],
)
def test_a_path_tells_which_token_it_takes(path: str, token: str) -> None:
    endpoint = endpoints.find(path)
    assert endpoint is not None
    assert endpoint.token == token


def test_a_path_is_found_by_the_methods_it_takes() -> None:
    assert endpoints.find("/wxa/gettemplatelist", "get")
    assert endpoints.find("/wxa/gettemplatelist", "POST") is None
    assert endpoints.find("/no/such/path") is None


def test_the_catalogue_holds_every_endpoint() -> None:
    known = endpoints.all_endpoints()
    assert len(known) > 1800
    assert all(endpoint.path.startswith("/") for endpoint in known)
    assert len({(endpoint.path, endpoint.method) for endpoint in known}) == len(known)


def test_a_shape_names_fields_and_types() -> None:
    shape = endpoints.shape("post", "cgi-bin/component/api_query_auth")
    assert shape is not None
    assert shape.request == {"component_appid": "string", "authorization_code": "string"}
    assert shape.response is not None
    assert shape.response["authorization_info"]["expires_in"] == "int"
    assert shape.response["authorization_info"]["func_info"] == [{"funcscope_category": {"id": "int"}}]
    assert endpoints.shape("GET", "/no/such/path") is None


def test_permission_sets_have_kinds_and_names() -> None:
    code = permissions.get(18)
    assert code is not None
    assert (code.kind, code.exclusive, code.name_zh) == (AccountKind.MINI_PROGRAM, True, "开发管理与数据分析")
    assert permissions.name(1, "zh") == "消息管理"
    assert permissions.name(1) == "messages"
    assert (permissions.name(9999, "zh"), permissions.name(9999)) == ("权限集 9999", "permission set 9999")
    assert permissions.get(9999) is None


@pytest.mark.parametrize("kind", AccountKind)
def test_every_kind_of_account_has_permission_sets(kind: AccountKind) -> None:
    known = permissions.sets_for(kind)
    assert known
    assert all(permissions.get(item.id) is item and item.name_zh and item.name_en.isascii() for item in known)


@pytest.mark.parametrize(
    ("path", "kind", "id"),
    [
        ("/wxa/commit", None, 18),
        ("wxa/release?access_token=x", AccountKind.MINI_PROGRAM, 18),
        ("/wxa/commit", AccountKind.OFFICIAL_ACCOUNT, None),
        ("/wxa/commitments", None, None),
        ("/cgi-bin/message/custom/send", AccountKind.OFFICIAL_ACCOUNT, 1),
        ("/cgi-bin/message/custom/send", AccountKind.MINI_PROGRAM, 19),
        ("/cgi-bin/message/custom/send", AccountKind.CHANNELS, None),
        ("/cgi-bin/menu/create", None, 15),
        ("/cgi-bin/user/info", None, 2),
        ("/cgi-bin/clear_quota", None, None),
    ],
)
def test_a_path_tells_which_permission_set_it_needs(
    path: str, kind: AccountKind | None, id: int | None
) -> None:
    assert permissions.required_for(path, kind) == id
    assert id is None or permissions.get(id)


def test_the_tables_are_made_from_their_sources_again(tmp_path: Path) -> None:
    paths, shapes, codes = tmp_path / "e.csv", tmp_path / "s.jsonl", tmp_path / "c.csv"
    with paths.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["group", "name", "method", "path", "token_kind", "note"])
        rows.writerow(["g", "n", "?", "/b", "authorizer", "x"])
        rows.writerow(["g", "n", "GET", "/a", "component", "x"])
    shape: dict[str, Any] = {
        "method": "GET",
        "path": "/a",
        "query": [],
        "req": None,
        "resp": {"l": [{"n": "int"}]},
        "doc": "x",
    }
    shapes.write_text(json.dumps(shape) + "\n", "utf-8")
    with codes.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["errcode", "doc_comment(zh + english errmsg)", "zh", "source"])
        rows.writerow(["2", "不行  no", "不行", "x"])
        rows.writerow(["-1", "only english", "only english", "x"])
        rows.writerow(["3", f"{'长' * 30}  long", "长" * 30, "x"])
    subprocess.run([sys.executable, SCRIPT, paths, shapes, codes, tmp_path], check=True)
    made = {
        name: (tmp_path / name).read_text("utf-8").splitlines()[1:]
        for name in ("endpoints.tsv", "shapes.jsonl", "errcodes.tsv")
    }
    assert made == {
        "endpoints.tsv": ["/a\tGET\tcomponent\tg\tn", "/b\t\tauthorizer\tg\tn"],
        "shapes.jsonl": ['{"m":"GET","p":"/a","o":{"l":[{"n":"i"}]}}'],
        "errcodes.tsv": ["-1\tonly english", "2\tno\t不行", "3\tlong"],
    }
