"""Client authentication: one way, the whole secret, and no word about which part was wrong."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote_plus

import pytest

from wxgate.errors import ClientRefused, OAuthRefused
from wxgate.login.oidc.clients import judge, read_credentials
from wxgate.login.records import Client
from wxgate.secret import Secret, fingerprint

SECRET = "wxcs_a:b%c d+e"
CLIENT = Client(
    id="wxcl_1",
    realm="shop",
    name="the shop",
    created_at=datetime(2026, 11, 21, tzinfo=UTC),
    secret_hash=fingerprint(Secret(SECRET)),
)
PUBLIC = replace(CLIENT, secret_hash=None)


def basic(name: str, secret: str) -> str:
    """Write the header as RFC 6749 2.3.1 has it."""
    return "Basic " + base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def test_basic_post_and_none_are_understood() -> None:
    by_header = read_credentials(basic(CLIENT.id, SECRET), {})
    by_form = read_credentials(None, {"client_id": CLIENT.id, "client_secret": SECRET})

    assert judge(by_header, CLIENT, "shop") is CLIENT
    assert judge(by_form, CLIENT, "shop") is CLIENT
    assert judge(read_credentials(None, {"client_id": PUBLIC.id}), PUBLIC, "shop") is PUBLIC


def test_two_ways_at_once_are_refused() -> None:
    with pytest.raises(OAuthRefused, match="two ways"):
        read_credentials(basic(CLIENT.id, SECRET), {"client_id": CLIENT.id, "client_secret": SECRET})
    with pytest.raises(OAuthRefused, match="not the one"):
        read_credentials(basic(CLIENT.id, SECRET), {"client_id": "wxcl_2"})


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic YQ==", "Bearer x", "Basic /////w==", basic(CLIENT.id, SECRET)[:-4]]
)
def test_a_broken_header_is_a_refusal_and_no_failure(header: str) -> None:
    with pytest.raises(ClientRefused):
        judge(read_credentials(header, {}), CLIENT, "shop")


@pytest.mark.parametrize(
    ("form", "client"),
    [
        ({"client_id": CLIENT.id, "client_secret": SECRET[:-1]}, CLIENT),
        ({"client_id": CLIENT.id}, CLIENT),
        ({"client_id": CLIENT.id, "client_secret": SECRET}, None),
        ({"client_id": CLIENT.id, "client_secret": SECRET}, replace(CLIENT, realm="other")),
        ({"client_id": CLIENT.id, "client_secret": SECRET}, replace(CLIENT, disabled_at=CLIENT.created_at)),
        ({"client_id": PUBLIC.id, "client_secret": SECRET}, PUBLIC),
    ],
    ids=["wrong", "missing", "unknown", "of another realm", "disabled", "public with a secret"],
)
def test_whatever_is_wrong_the_answer_is_the_same(form: dict[str, str], client: Client | None) -> None:
    with pytest.raises(ClientRefused, match="authentication failed"):
        judge(read_credentials(None, form), client, "shop")


def test_nobody_is_nobody() -> None:
    with pytest.raises(ClientRefused):
        read_credentials(None, {})
