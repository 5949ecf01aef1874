"""`wxgate account tag` and `wxgate account host`: what an operator writes on accounts."""

from typing import TYPE_CHECKING, Annotated

import typer

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, stdout
from wxgate.custody.clients import Labels
from wxgate.custody.credentials import check_appid, check_host, check_tag

if TYPE_CHECKING:
    from wxgate.server.node import Node

Appid = Annotated[str, typer.Argument(help="The account's appid.")]
Remove = Annotated[bool, typer.Option("--remove", help="Take them away instead.")]


def tag(
    appid: Appid,
    tags: Annotated[list[str] | None, typer.Argument(help="Words that keys can be made for.")] = None,
    remove: Remove = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Tag an account, so that API keys can be made for all with the tag; without tags, show them.

    [dim]Example:[/dim] wxgate account tag wx0123456789abcdef shops
    """
    _change(
        appid, Labels(tags=frozenset(map(check_tag, tags or ()))), remove, as_json, database_url, key_file
    )


def host(
    appid: Appid,
    hosts: Annotated[list[str] | None, typer.Argument(help="Host names, like shop.example.com.")] = None,
    remove: Remove = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Say on which hosts an account's pages are: for no others is a JS-SDK signature made.

    [dim]Example:[/dim] wxgate account host wx0123456789abcdef shop.example.com
    """
    _change(
        appid, Labels(hosts=frozenset(map(check_host, hosts or ()))), remove, as_json, database_url, key_file
    )


def _change(
    appid: str, labels: Labels, remove: bool, as_json: bool, database_url: DatabaseUrl, key_file: KeyFile
) -> None:
    check_appid(appid)

    async def work(node: "Node") -> None:
        change = {"add": Labels(), "remove": labels} if remove else {"add": labels, "remove": Labels()}
        kept = await node.store.labels.change(appid, **change)
        if as_json:
            emit({"appid": appid, "tags": kept.tags, "hosts": kept.hosts})
            return
        shown = {"tags": kept.tags, "hosts": kept.hosts}
        stdout().print(facts({name: ", ".join(sorted(one)) or "none" for name, one in shown.items()}))

    with_node(work, database_url=database_url, key_file=key_file)
