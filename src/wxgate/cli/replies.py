"""`wxgate replies`: who answers an account's users, and how."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.markup import escape

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, facts, stdout
from wxgate.errors import ConfigError
from wxgate.events.policies import HANDLERS, NOBODY, Policy
from wxgate.events.replies import RepliesView

if TYPE_CHECKING:
    from wxgate.server.node import Node

app = typer.Typer(help="Who answers an account's users.", no_args_is_help=True)

Appid: TypeAlias = Annotated[str, typer.Argument(help="The account's appid; * is the default for all.")]

AUTOMATIC = "automatic"
BY_HANDLERS = "handlers"


@app.command()
def show(
    appid: Appid, as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None
) -> None:
    """Show who replies for an account, where that is decided, and what to know of it.

    [dim]Example:[/dim] wxgate replies show wx0123456789abcdef
    """

    async def work(node: "Node") -> None:
        _show(appid, await node.replies.show(appid), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


@app.command("set")
def set_policy(
    appid: Appid,
    policy: Annotated[
        Policy | None, typer.Option(help="What users get for an answer.", show_default=False)
    ] = None,
    replier: Annotated[
        str | None,
        typer.Option(
            metavar="handlers|none|SUBSCRIBER",
            help="Who is asked for it: the handlers, nobody, or a subscriber by id or name.",
            show_default=False,
        ),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="APPID|direct|automatic", help="Which of your platforms answers.", show_default=False
        ),
    ] = None,
    default_text: Annotated[
        str | None,
        typer.Option(
            help='What is sent where the replier fails or is late; "" for nothing.', show_default=False
        ),
    ] = None,
    hold_retries: Annotated[
        bool | None,
        typer.Option(
            "--hold-retries/--no-hold-retries",
            help="Let WeChat ask again while the replier thinks.",
            show_default=False,
        ),
    ] = None,
    custom_message: Annotated[
        bool | None,
        typer.Option(
            "--custom-message/--no-custom-message",
            help="Let a late reply go out as a customer-service message.",
            show_default=False,
        ),
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Let the default hold again.")] = False,
    as_json: Json = False,
    database_url: DatabaseUrl = None,
    key_file: KeyFile = None,
) -> None:
    """Say who replies for an account, and how; what is not given stays.

    Where another third party answers the same account, choose --policy silent: WeChat asks everybody who is
    authorised, and tells nobody of the others.

    [dim]Example:[/dim] wxgate replies set wx0123456789abcdef --replier crm --default-text 稍后回复您
    """
    given: dict[str, Any] = {
        "policy": policy,
        "platform": "" if platform == AUTOMATIC else platform,
        "default_text": default_text,
        "hold_retries": hold_retries,
        "custom_message": custom_message,
    }
    if (replier is None and all(value is None for value in given.values())) is not reset:
        raise ConfigError(
            "either --reset, or what is to change: not both"
            if reset
            else "say what to change; `wxgate replies set --help` lists what can be"
        )

    async def work(node: "Node") -> None:
        if reset:
            await node.replies.reset(appid)
            _show(appid, await node.replies.show(appid), as_json)
        else:
            chosen = None if replier is None else await _replier(node, replier)
            _show(appid, await node.replies.set(appid, replier=chosen, **given), as_json)

    with_node(work, database_url=database_url, key_file=key_file)


async def _replier(node: "Node", given: str) -> str:
    if given in (BY_HANDLERS, HANDLERS):
        return HANDLERS
    return given if given == NOBODY else (await node.delivering.subscriptions.require(given)).id


def _show(appid: str, view: RepliesView, as_json: bool) -> None:
    if as_json:
        emit(_as_document(appid, view))
        return
    policy, answers = view.policy, view.answers or "nobody: no platform may act for this account"
    parties = [
        f"{one.issuer}{'' if one.may_speak else ', without the permission set of messages'}"
        f"{'' if one.heard else ', without a push for a week'}"
        for one in view.parties
    ]
    pairs = {
        "account": escape(appid),
        "policy": f"{policy.policy} ({_source(view.source)})",
        "replier": policy.replier or BY_HANDLERS,
        "answers": escape(answers) + ("" if policy.platform else ", found out"),
        "receive": escape("\n".join(parties)),
        "default text": escape(policy.default_text) or "none",
        "holds retries": "yes" if policy.hold_retries else "no",
        "customer-service message": "when late" if policy.custom_message else "never",
    }
    stdout().print(facts(pairs))
    for one in view.advice:
        stdout().print(f"• {one.en}\n  {one.zh}", style="yellow", markup=False)


def _source(source: str) -> str:
    return {"account": "its own", "default": "the default for all", "built_in": "built in"}[source]


def _as_document(appid: str, view: RepliesView) -> dict[str, Any]:
    policy = view.policy
    return {
        "appid": appid,
        "source": view.source,
        "policy": policy.policy,
        "replier": policy.replier,
        "platform": policy.platform,
        "default_text": policy.default_text,
        "hold_retries": policy.hold_retries,
        "custom_message": policy.custom_message,
        "updated_at": policy.updated_at,
        "answers": view.answers,
        "parties": [
            {
                "issuer": one.issuer,
                "authorized_at": one.authorized_at,
                "may_speak": one.may_speak,
                "heard": one.heard,
            }
            for one in view.parties
        ],
        "mini_program": view.mini_program,
        "advice": [{"text": one.en, "text_zh": one.zh} for one in view.advice],
    }
