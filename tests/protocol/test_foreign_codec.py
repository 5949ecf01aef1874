"""Another library's codec opens what we seal, and we open what it seals."""

import pytest
from wechatpy.crypto import WeChatCrypto  # type: ignore[import-untyped,unused-ignore]

from wxgate.protocol.envelope import PushKeys, PushQuery, open_push, open_reply, seal_push, seal_reply
from wxgate.protocol.xml import parse

APPID, TOKEN, KEY = "wx134c8103faa5a59e", "token", "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
KEYS = PushKeys.make(APPID, [TOKEN], [KEY])
FOREIGN = WeChatCrypto(TOKEN, KEY, APPID)


@pytest.mark.parametrize("length", [0, 1, 14, 15, 16, 17, 31, 500])
def test_pushes_and_replies_are_exchanged_with_wechatpy(length: int) -> None:
    plain = f"<xml><ToUserName>gh_1</ToUserName><Content>{'好' * length}</Content></xml>"
    query_string, body = seal_push(
        KEYS, plain.encode(), timestamp=100, nonce="n", random=b"r" * 16, receiver=("ToUserName", "gh_1")
    )
    query = PushQuery.parse(query_string.encode())
    assert FOREIGN.decrypt_message(body, query.msg_signature, "100", "n") == plain

    opened = open_push(KEYS, query, body, now=100, max_age=0)
    ours = seal_reply(KEYS, opened, plain, timestamp=101, random=b"r" * 16)
    assert FOREIGN.decrypt_message(ours, parse(ours)["MsgSignature"], "101", "n") == plain
    assert open_reply(KEYS, FOREIGN.encrypt_message(plain, "n", "102").encode()) == plain
