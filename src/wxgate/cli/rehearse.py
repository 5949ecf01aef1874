"""`wxgate rehearse`: WeChat's release test (全网发布检测), played against any server beforehand."""

import asyncio
import random
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wxgate.cli.credentials import Given
from wxgate.cli.options import (
    AesKeyFile,
    AesKeyOption,
    AppSecretFile,
    AppSecretOption,
    Json,
    TokenFile,
    TokenOption,
)
from wxgate.cli.output import emit, facts, stderr, stdout
from wxgate.errors import ConfigError
from wxgate.protocol.official_tests import RELEASE_TEST_ACCOUNTS

if TYPE_CHECKING:
    from wxgate.cli.rehearsing import Tested

MARKS = {"right": ("✓", "green"), "note": ("✓", "yellow"), "wrong": ("✗", "red"), "skipped": ("–", "dim")}

NAME_WIDTH = 13


class Only(StrEnum):
    """Which kind of test account to rehearse with."""

    OFFICIAL_ACCOUNT = "official-account"
    MINI_PROGRAM = "mini-program"


def rehearse(
    events: Annotated[
        str | None,
        typer.Option(
            "--events",
            help="授权事件接收URL of the server to test. Without it a gateway is started and tested.",
            show_default=False,
        ),
    ] = None,
    messages: Annotated[
        str | None,
        typer.Option("--messages", help="消息与事件接收URL of the same server; may hold $APPID$."),
    ] = None,
    appid: Annotated[str | None, typer.Option(help="The platform's appid, as that server knows it.")] = None,
    secret: AppSecretOption = None,
    secret_file: AppSecretFile = None,
    token: TokenOption = None,
    token_file: TokenFile = None,
    aes_key: AesKeyOption = None,
    aes_key_file: AesKeyFile = None,
    listen: Annotated[
        str,
        typer.Option(
            "--listen",
            metavar="HOST:PORT",
            help="Where WeChat in a box listens; that server calls it in place of api.weixin.qq.com.",
        ),
    ] = "127.0.0.1:0",
    every: Annotated[
        bool, typer.Option("--all", help="With all of WeChat's test accounts, not one.")
    ] = False,
    only: Annotated[
        Only | None, typer.Option(help="Only the accounts of one kind.", show_default="official-account")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="With this one of WeChat's test accounts.", show_default="any")
    ] = None,
    app: Annotated[
        str | None,
        typer.Option(
            "--app", metavar="MODULE:NAME", help="Your handlers, served by the gateway that is tested."
        ),
    ] = None,
    patience: Annotated[
        float,
        typer.Option("--wait", min=0.1, max=120, help="Seconds to wait for the customer-service message."),
    ] = 10.0,
    exchange: Annotated[
        bool, typer.Option("--exchange", help="Show the exact exchange of steps that passed, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Play WeChat's release test (全网发布检测) against a server; tell each step's outcome and why.

    It ends with 0 when everything passed, with 1 otherwise. Nothing leaves this machine but what is sent to
    that server.

    [dim]Example:[/dim] wxgate rehearse --all
    """
    accounts = _choose(every, only, account)
    tested = _foreign(
        events, messages, appid, (secret, secret_file), (token, token_file), (aes_key, aes_key_file)
    )
    host, port = _address(listen)
    code = asyncio.run(_rehearse(tested, accounts, (host, port), app, patience, exchange, as_json))
    raise typer.Exit(code)


def _choose(every: bool, only: Only | None, account: str | None) -> list[str]:
    """Choose the accounts: those asked for, or one at random as WeChat does."""
    if account is not None:
        if account not in {one.appid for one in RELEASE_TEST_ACCOUNTS}:
            known = ", ".join(one.appid for one in RELEASE_TEST_ACCOUNTS)
            raise ConfigError(f"{account} is none of WeChat's test accounts; they are {known}")
        return [account]
    mini = only is Only.MINI_PROGRAM
    fitting = [
        one.appid for one in RELEASE_TEST_ACCOUNTS if (every and only is None) or one.is_mini_program is mini
    ]
    return fitting if every else [random.SystemRandom().choice(fitting)]


def _foreign(
    events: str | None,
    messages: str | None,
    appid: str | None,
    secret: tuple[str | None, Path | None],
    token: tuple[str | None, Path | None],
    aes_key: tuple[str | None, Path | None],
) -> "Tested | None":
    """Read what is needed to test somebody else's server; None to test our own."""
    from wxgate.cli.rehearsing import Tested

    if events is None:
        if messages or appid:
            raise ConfigError("--messages and --appid go together with --events, the other server's URL")
        return None
    lacking = [name for name, value in (("--messages", messages), ("--appid", appid)) if not value]
    if lacking:
        raise ConfigError(f"to test that server, {' and '.join(lacking)} must be given as well")
    given = Given.read(secret, token, aes_key, generate=False)
    return Tested(
        appid=str(appid),
        events_url=events,
        messages_url=str(messages),
        secret=given.secret.reveal() if given.secret else None,
        token=given.token_or_ask().reveal(),
        aes_key=given.aes_key_or_ask().reveal(),
    )


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise ConfigError(f"--listen {listen}: write HOST:PORT, for example 0.0.0.0:8001")
    return host.strip("[]") or "127.0.0.1", int(port)


async def _rehearse(
    tested: "Tested | None",
    accounts: list[str],
    address: tuple[str, int],
    app: str | None,
    patience: float,
    exchange: bool,
    as_json: bool,
) -> int:
    from wxgate.cli.rehearsing import open_rehearsal

    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    reports: list[dict[str, Any]] = []
    try:
        async with open_rehearsal(tested, address, app) as rehearsal:
            if not as_json:
                _introduce(rehearsal.wechat, rehearsal.tested, rehearsal.gave_secret, own=tested is None)
            elif tested is not None:
                stderr().print(f"WeChat in a box is ready at {rehearsal.wechat}", style="dim", markup=False)
            for account in accounts:
                report = await rehearsal.play(account, patience)
                reports.append(report)
                if not as_json:
                    _print(report, exchange)
            ok = all(report["ok"] for report in reports)
            if not ok and tested is None:
                _show_log(rehearsal.log_tail())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    if as_json:
        emit({"ok": ok, "runs": reports})
    else:
        _conclude(ok, reports)
    return 0 if ok else 1


def _introduce(wechat: str, tested: "Tested", gave_secret: bool, *, own: bool) -> None:
    out = stdout()
    out.print("[bold]wxgate rehearse[/]  全网发布检测\n")
    role = "" if own else "  (the server must call it in place of https://api.weixin.qq.com)"
    shown = {
        "  WeChat in a box": wechat + role,
        "  授权事件接收URL": tested.events_url,
        "  消息与事件接收URL": tested.messages_url,
    }
    if gave_secret:
        shown["  AppSecret"] = f"{tested.secret}  (made for this rehearsal; --secret sets another)"
    out.print(facts(shown))


def _print(report: dict[str, Any], exchange: bool) -> None:
    out = stdout()
    kind = "小程序 mini program" if report["kind"] == "mini_program" else "公众号 official account"
    out.print(f"\n[bold]{report['appid']}[/]  {kind}")
    for step in report["steps"]:
        mark, colour = MARKS[step["verdict"]]
        out.print(
            f"[{colour}]{mark}[/] [bold]{step['step']:{NAME_WIDTH}}[/] {step['title_zh']} · {step['title']}  "
            f"[dim]{step['ms']} ms[/]"
        )
        indent = " " * (NAME_WIDTH + 3)
        if exchange or step["verdict"] != "right":
            for text in (step["reason_zh"], step["reason"]):
                out.print(f"{indent}{text}", style="dim" if step["ok"] else colour, markup=False)
        if exchange or step["verdict"] == "wrong":
            for line in exchange_lines(step):
                out.print(f"{indent}{line}", style="dim", markup=False)


def exchange_lines(step: dict[str, Any]) -> list[str]:
    """Write a step's exchange: what was sent, what came back raw and decrypted, what was called."""
    if not step["exchange"]:
        return []
    request, answer = step["exchange"]["request"], step["exchange"]["answer"]
    lines = [f"> POST {request['url']}", *_quoted("> ", request["body"]), *_quoted("> = ", request["plain"])]
    status = answer["problem"] if answer["status"] is None else f"HTTP {answer['status']}"
    lines += [f"< {status}", *_quoted("< ", answer["body"] or "(empty)")]
    if answer["plain"]:
        lines += _quoted("< = ", answer["plain"])
    for call in step["calls"]:
        lines.append(f"@ {call['method']} {call['path']} {call['body']} -> {call['answer']}")
    return lines


def _quoted(mark: str, text: str) -> list[str]:
    return [mark + line for line in text.splitlines()]


def _conclude(ok: bool, reports: list[dict[str, Any]]) -> None:
    steps = [step for report in reports for step in report["steps"]]
    passed = sum(step["ok"] for step in steps)
    if ok:
        stdout().print(f"\n[green]通过：{passed} 步全部正确。 passed: all {passed} steps are right.[/]")
        return
    failed = [
        f"{report['appid']} {step['step']}"
        for report in reports
        for step in report["steps"]
        if not step["ok"]
    ]
    stdout().print(f"\n[red]未通过 failed:[/] {', '.join(failed)}")


def _show_log(lines: list[str]) -> None:
    if lines:
        stderr().print("\n--- the end of the gateway's log", style="dim")
        for line in lines:
            stderr().print(line, style="dim", markup=False)
