"""What `wxgate decrypt` says of each classic mistake."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.cli.conftest import Cli
from wxgate.cli.diagnosis import Diagnosis, Keys, diagnose, split_paste
from wxgate.cli.findings import Verdict
from wxgate.protocol.envelope import Mode, PushKeys, seal_push
from wxgate.protocol.signature import sign

APPID, TOKEN, KEY = "wx1234567890abcdef", "aToken", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
OTHER_KEY = KEY[::-1][:42] + "A"
TICKET = "ticket@@@averysecretticketvalue"
PLAIN = (
    f"<xml><AppId><![CDATA[{APPID}]]></AppId><CreateTime>1700000000</CreateTime>"
    "<InfoType><![CDATA[component_verify_ticket]]></InfoType>"
    f"<ComponentVerifyTicket><![CDATA[{TICKET}]]></ComponentVerifyTicket></xml>"
)
NOW = 1700000000


def sealed(plain: str = PLAIN, appid: str = APPID, mode: Mode = Mode.SAFE) -> tuple[str, str]:
    """Seal a push as WeChat does."""
    keys = PushKeys.make(appid, [TOKEN], [KEY], mode=mode)
    query, body = seal_push(
        keys, plain.encode(), timestamp=NOW, nonce="n0nce", random=b"r" * 16, receiver=("AppId", APPID)
    )
    return query, body.decode()


def look(query: str, body: str, keys: Keys | None = None, now: int = NOW) -> Diagnosis:
    """Diagnose with the right keys unless others are given."""
    return diagnose(query, body, keys or Keys((TOKEN,), (KEY,), APPID), now=now, window=600)


def wrong(diagnosis: Diagnosis) -> list[str]:
    """List what was found wrong."""
    return [finding.code for finding in diagnosis.findings if finding.verdict is Verdict.WRONG]


def without(query: str, name: str) -> str:
    """Drop one parameter."""
    return "&".join(pair for pair in query.split("&") if not pair.startswith(name + "="))


def encrypt_of(body: str) -> str:
    """Cut the Encrypt value out of a body."""
    return body.partition("<Encrypt><![CDATA[")[2].partition("]]>")[0]


def test_a_good_push_is_right_in_every_step() -> None:
    diagnosis = look(*sealed())
    assert diagnosis.ok
    codes = [finding.code for finding in diagnosis.findings]
    assert codes == [
        "query_good", "body_read", "base64_good", "signature_good", "key_good", "decrypt_good", "appid_good",
        "content_read",
    ]  # fmt: skip
    assert diagnosis.plain == PLAIN


def test_secrets_in_the_plain_text_are_masked() -> None:
    masked = look(*sealed()).masked()
    assert masked is not None
    assert TICKET not in masked
    assert "component_verify_ticket" in masked


def test_the_plain_signature_passed_as_msg_signature_is_called_a_mix_up() -> None:
    query, body = sealed()
    plain_signature = sign(TOKEN, str(NOW), "n0nce")
    mixed = without(query, "msg_signature") + f"&msg_signature={plain_signature}"
    assert wrong(look(mixed, body)) == ["signature_mixed_up"]


def test_the_two_signatures_swapped_are_recognised() -> None:
    query, body = sealed()
    full = sign(TOKEN, str(NOW), "n0nce", encrypt_of(body))
    swapped = (
        f"{without(without(query, 'signature'), 'msg_signature')}&signature={full}&msg_signature={'0' * 40}"
    )
    assert wrong(look(swapped, body)) == ["signature_swapped"]


def test_a_missing_msg_signature_is_told_from_a_wrong_token() -> None:
    query, body = sealed()
    assert wrong(look(without(query, "msg_signature"), body)) == ["signature_missing"]
    assert wrong(look(query, body, Keys(("another",), (KEY,), APPID))) == ["signature_wrong"]
    bare = without(without(query, "msg_signature"), "signature")
    assert wrong(look(bare, body)) == ["signature_absent"]


def test_a_body_of_another_push_is_recognised() -> None:
    query, _ = sealed()
    _, other = sealed(PLAIN.replace("1700000000", "1700000001"))
    assert wrong(look(query, other)) == ["signature_other_body"]


@pytest.mark.parametrize(
    ("key", "code"),
    [
        ("0123456789abcdef0123456789abcdef", "key_is_secret"),
        (KEY + "=", "key_padded"),
        (KEY[:-1], "key_length"),
        (KEY[:-1] + "!", "key_strange"),
    ],
)
def test_a_key_of_the_wrong_form_is_explained(key: str, code: str) -> None:
    query, body = sealed()
    assert code in wrong(look(query, body, Keys((TOKEN,), (key,), APPID)))


def test_a_key_with_an_equals_sign_still_decrypts() -> None:
    assert look(*sealed(), Keys((TOKEN,), (KEY + "=",), APPID)).plain == PLAIN


def test_another_key_does_not_decrypt_and_the_previous_one_does() -> None:
    query, body = sealed()
    assert wrong(look(query, body, Keys((TOKEN,), (OTHER_KEY,), APPID))) == ["decrypt_failed"]
    diagnosis = look(query, body, Keys(("new", TOKEN), (OTHER_KEY, KEY), APPID))
    codes = [finding.code for finding in diagnosis.findings]
    assert diagnosis.ok
    assert {"signature_previous", "decrypt_previous"} <= set(codes)


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda text: text.replace("+", " "), "base64_spaces"),
        (lambda text: text[:50] + "\n" + text[50:], "base64_folded"),
        (lambda text: text.replace("+", "-").replace("/", "_"), "base64_urlsafe"),
        (lambda text: quote(text, safe=""), "base64_percent"),
        (lambda text: text.rstrip("="), "base64_unpadded"),
    ],
)
def test_damage_on_the_way_is_named_mended_and_looked_through(damage: object, code: str) -> None:
    # As long as it is, its ciphertext has every character that the damages need.
    query, body = sealed(PLAIN + " " * 32)
    whole = encrypt_of(body)
    assert callable(damage)
    assert set("+/=") <= set(whole)
    diagnosis = look(query, body.replace(whole, damage(whole)))
    assert wrong(diagnosis) == [code, "signature_fits_mended"]
    assert diagnosis.plain is not None


def test_a_truncated_body_is_called_cut_short() -> None:
    query, body = sealed()
    whole = encrypt_of(body)
    assert "base64_cut" in wrong(look(query, body.replace(whole, whole[:100])))


def test_foreign_characters_are_shown() -> None:
    query, body = sealed()
    whole = encrypt_of(body)
    assert "base64_strange" in wrong(look(query, body.replace(whole, "你" + whole[1:])))


def test_a_tail_of_another_appid_says_that_platforms_get_their_own() -> None:
    query, body = sealed(appid="wxfedcba0987654321")
    diagnosis = look(query, body)
    assert wrong(diagnosis) == ["appid_wrong"]
    finding = next(finding for finding in diagnosis.findings if finding.code == "appid_wrong")
    assert "wxfedcba0987654321" in finding.zh
    assert "平台自己的 appid" in finding.zh


def test_an_old_timestamp_is_only_a_note() -> None:
    diagnosis = look(*sealed(), now=NOW + 86400)
    assert diagnosis.ok
    assert "time_stale" in [finding.code for finding in diagnosis.findings]


def test_an_envelope_that_names_another_receiver_is_found() -> None:
    query, body = sealed()
    assert "envelope_differs" in wrong(look(query, body.replace(APPID, "wx0000000000000000")))


def test_a_plain_push_is_judged_by_its_plain_signature() -> None:
    query, body = sealed(mode=Mode.PLAINTEXT)
    codes = [finding.code for finding in look(query, body).findings]
    assert codes == ["query_good", "body_read", "plain_body", "plain_signature_good"]


def test_a_url_verification_needs_no_body() -> None:
    query = f"signature={sign(TOKEN, str(NOW), 'n')}&timestamp={NOW}&nonce=n&echostr=42"
    assert look(query, "").ok
    assert wrong(look(query, "", Keys(("another",)))) == ["plain_signature_wrong"]


@pytest.mark.parametrize(
    ("query", "body", "code"),
    [
        ("nonce=n", "<xml><a>1</a></xml>", "query_lacks"),
        ("timestamp=1&nonce=n", "", "body_empty"),
        ("timestamp=1&nonce=n", "<html>", "body_unreadable"),
        ("timestamp=1&nonce=n", "{not json", "body_unreadable"),
        ("timestamp=1&nonce=n", '<!DOCTYPE a [<!ENTITY b "c">]><xml>&b;</xml>', "body_unreadable"),
        ("timestamp=soon&nonce=n", "<xml><a>1</a></xml>", "time_malformed"),
    ],
)
def test_what_is_no_push_is_explained_without_raising(query: str, body: str, code: str) -> None:
    assert code in wrong(look(query, body))


def test_without_keys_it_says_what_was_not_looked_at() -> None:
    codes = [finding.code for finding in look(*sealed(), Keys()).findings]
    assert {"token_absent", "key_absent"} <= set(codes)


def test_a_paste_is_split_whatever_stands_around_it() -> None:
    paste = "POST /wechat/wx1/events?timestamp=1&nonce=2 HTTP/1.1\nHost: x\n\n<xml><a>1</a></xml>\n"
    assert split_paste(paste) == ("timestamp=1&nonce=2", "<xml><a>1</a></xml>")
    assert split_paste("timestamp=1&nonce=2\n\n{}") == ("timestamp=1&nonce=2", "{}")


async def test_a_pasted_push_is_explained_in_both_languages(cli: Cli) -> None:
    query, body = sealed()
    done = await cli(
        *("decrypt", "--token", TOKEN, "--aes-key", KEY, "--appid", "wxaaaaaaaaaaaaaaaa"),
        stdin=f"https://wx.example.com/wechat/{APPID}/events?{query}\n\n{body}",
    )
    assert done.code == 1
    assert "尾部 appid" in done.out
    assert "platform's own appid" in done.out
    assert TICKET not in done.out


async def test_keys_may_come_from_the_database_and_files(cli: Cli, tmp_path: Path) -> None:
    query, body = sealed()
    (tmp_path / "body.xml").write_text(body)
    added = await cli(
        *("platform", "add", "--appid", APPID, "--secret", "-", "--token", TOKEN, "--aes-key", KEY),
        stdin="s3cret",
    )
    assert added.code == 0, added.err
    done = await cli("decrypt", query, "--body", "@body.xml", "--platform", APPID, "--json", "--reveal")
    assert done.code == 0, done.out
    document = json.loads(done.out)
    assert document["ok"] is True
    assert document["plain"] == PLAIN
