"""Platforms, direct accounts and whole files, configured over HTTP: taken up at once, or nothing changed."""

import asyncio
import json
import threading
from typing import Any

import pytest

from tests.cast import add_direct, authorized_account
from tests.harness import World
from tests.server.keys import Said, holder, request
from tests.server.test_management import audit, manager
from wxgate.custody.clients import ClientScope
from wxgate.custody.declared import MOST_ENTRIES, read_declaration
from wxgate.custody.sources import component_key
from wxgate.server.management import configuration

KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
NEW = {"name": "新平台", "secret": "s3cret", "tokens": ["tokentoken"], "aes_keys": [KEY]}


async def put(world: World, path: str, document: Any, key: str) -> Said:
    """PUT a document."""
    return await request(world, "PUT", path, key, body=json.dumps(document).encode())


async def test_a_platform_is_added_changed_and_removed(gateway: World) -> None:
    boss, path = await manager(gateway), "/v1/platforms/wx00000000000000aa"
    said = await put(gateway, path, NEW, boss.key)
    assert (said.status, said.document["changes"][0]["effect"]) == (200, "add")
    kept = await gateway.node.registry.require_platform("wx00000000000000aa")
    assert (kept.name, kept.secret.reveal()) == ("新平台", "s3cret")
    said = await put(gateway, path, {"tokens": ["othertoken"]}, boss.key)
    assert said.document["changes"][0]["fields"] == {"push": "changed"}
    kept = await gateway.node.registry.require_platform("wx00000000000000aa")
    assert [one.reveal() for one in kept.push.tokens] == ["othertoken", "tokentoken"]
    said = await boss.post(f"{path}/retire", {"token": True})
    assert said.document["changes"][0]["effect"] == "change"
    said = await request(gateway, "DELETE", path, boss.key)
    assert said.document["changes"][0]["effect"] == "remove"
    assert (await boss.get(path)).status == 404
    done = {action for action, _ in await audit(gateway, client=boss.client.id)}
    assert {"put_platform", "retire_platform_keys", "remove_platform"} <= done


async def test_a_platform_that_is_in_use_is_not_removed_by_mistake(gateway: World) -> None:
    await authorized_account(gateway)
    boss, path = await manager(gateway), f"/v1/platforms/{gateway.platform.appid}"
    said = await request(gateway, "DELETE", path, boss.key)
    assert (said.status, said.error["code"]) == (400, "bad_request")
    assert "1 account" in said.error["message"]
    said = await request(gateway, "DELETE", path + "?even_if_live=true", boss.key)
    assert said.status == 200


async def test_a_new_secret_that_wechat_does_not_take_is_told_and_the_old_token_stays(gateway: World) -> None:
    await authorized_account(gateway)
    key, boss = component_key(gateway.platform.appid), await manager(gateway)
    before = await gateway.node.keeper.peek(key)
    said = await put(gateway, f"/v1/platforms/{gateway.platform.appid}", {"secret": "wr0ng"}, boss.key)
    [renewal] = said.document["renewals"]
    assert "40125" in renewal["trouble"]
    assert "wr0ng" not in said.text
    assert await gateway.node.keeper.peek(key) == before


async def test_a_direct_account_is_changed(gateway: World) -> None:
    direct, boss = await add_direct(gateway), await manager(gateway)
    said = await put(gateway, f"/v1/direct-accounts/{direct.appid}", {"name": "直连"}, boss.key)
    assert said.document["changes"][0]["fields"]["name"] == {"before": direct.name, "after": "直连"}
    assert (await request(gateway, "DELETE", f"/v1/direct-accounts/{direct.appid}", boss.key)).status == 200
    assert await gateway.node.registry.direct(direct.appid) is None


async def test_a_key_for_one_platform_changes_no_other(gateway: World) -> None:
    narrow = await manager(gateway, platforms=(gateway.platform.appid,))
    for path in ("/v1/platforms/wx00000000000000aa", "/v1/direct-accounts/wx00000000000000bb"):
        said = await put(gateway, path, NEW, narrow.key)
        assert (said.status, said.error["code"]) == (403, "missing_scope")
    said = await narrow.post("/v1/apply", body=b"platforms: []")
    assert (said.status, said.error["missing"]) == (403, "everything")
    reader = await holder(gateway, ClientScope.AUTHORIZER)
    said = await put(gateway, "/v1/platforms/wx00000000000000aa", NEW, reader.key)
    assert (said.status, said.error["missing"]) == (403, "kind:manage")


FILE = f"""
platforms:
  - appid: wx00000000000000aa
    name: 新平台
    secret: s3cret
    tokens: [tokentoken]
    aes_keys: [{KEY}]
labels:
  - appid: wx00000000000000cc
    tags: [shops]
"""


async def test_a_file_is_applied_as_a_whole_and_a_dry_run_changes_nothing(gateway: World) -> None:
    boss = await manager(gateway)
    said = await boss.post("/v1/apply?dry_run=true", body=FILE.encode())
    assert [one["effect"] for one in said.document["changes"]] == ["add", "change"]
    assert (await boss.get("/v1/platforms/wx00000000000000aa")).status == 404
    said = await boss.post("/v1/apply", body=FILE.encode())
    assert said.status == 200
    assert (await boss.get("/v1/platforms/wx00000000000000aa")).status == 200
    again = await boss.post("/v1/apply", body=FILE.encode())
    assert [one["effect"] for one in again.document["changes"]] == ["unchanged", "unchanged"]


BAD_FILES = [
    (b"platforms: [", 1, "YAML"),
    (b"platforms:\n  - appid: wx00000000000000aa\n    colour: red\n", 3, "colour"),
    (FILE.replace("s3cret", "${HOME}").encode(), 5, "wxgate apply"),
    (FILE.replace("s3cret", "file:/etc/passwd").encode(), 5, "wxgate apply"),
    (b"", 1, "empty"),
]


@pytest.mark.parametrize(("body", "line", "words"), BAD_FILES, ids=[str(n) for n in range(len(BAD_FILES))])
async def test_a_file_with_mistakes_is_answered_with_their_places(
    gateway: World, body: bytes, line: int, words: str
) -> None:
    said = await (await manager(gateway)).post("/v1/apply", body=body)
    assert (said.status, said.error["code"]) == (400, "bad_request")
    [mistake] = said.error["mistakes"]
    assert mistake["line"] == line
    assert words in mistake["message"]


async def test_no_platform_takes_the_name_of_the_direct_accounts_issuer(gateway: World) -> None:
    said = await put(gateway, "/v1/platforms/direct", NEW, (await manager(gateway)).key)
    assert (said.status, said.error["code"]) == (400, "bad_request")


async def test_a_large_file_is_read_while_others_are_answered(
    gateway: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, answered = threading.Event(), threading.Event()

    def read(*given: Any, **named: Any) -> Any:
        reading.set()
        # Were this the thread that answers, nobody would ever set it.
        assert answered.wait(30)
        return read_declaration(*given, **named)

    monkeypatch.setattr(configuration, "read_declaration", read)
    boss = await manager(gateway)
    body = "labels:\n" + "".join(f"- appid: wxabcdef{n:06}\n  tags: [a]\n" for n in range(MOST_ENTRIES))
    applying = asyncio.create_task(boss.post("/v1/apply?dry_run=true", body=body.encode()))
    assert await asyncio.to_thread(reading.wait, 30)
    assert (await boss.get("/v1/platforms")).status == 200
    assert not applying.done()
    answered.set()
    assert len((await applying).document["changes"]) == MOST_ENTRIES


async def test_a_value_of_the_wrong_form_is_named_and_not_repeated(gateway: World) -> None:
    boss, path = await manager(gateway), "/v1/platforms/wx00000000000000aa"
    for wrong in ({"tokens": ["no good!"]}, {"aes_keys": ["short"]}, {"secret": "two words"}, {"tokens": 7}):
        said = await put(gateway, path, NEW | wrong, boss.key)
        assert (said.status, said.error["code"]) == (400, "bad_request")
        assert not any(value in said.text for value in ("no good!", 'short"', "two words"))
    assert (await boss.get(path)).status == 404
