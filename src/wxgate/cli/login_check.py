"""`wxgate login check`: what is wrong with how login is set up."""

from typing import TYPE_CHECKING

import typer
from rich.markup import escape

from wxgate.cli.opening import with_node
from wxgate.cli.options import DatabaseUrl, Json, KeyFile
from wxgate.cli.output import emit, stdout

if TYPE_CHECKING:
    from wxgate.server.node import Node


def check(as_json: Json = False, database_url: DatabaseUrl = None, key_file: KeyFile = None) -> None:
    """Find what is wrong with how login is set up, and list the domains that WeChat must know.

    It asks nobody: what stands in WeChat's consoles cannot be seen from here. It ends with 1 where something
    is wrong.

    [dim]Example:[/dim] wxgate login check
    """

    async def work(node: "Node") -> None:
        from wxgate.login.checking import check_login
        from wxgate.login.domains import needed_domain

        configuration, base = node.login.configuration, node.settings.public_base_url
        apps = await configuration.apps()
        found = check_login(
            base_url=base,
            realms=await configuration.realms(),
            apps=apps,
            clients=await configuration.clients(),
            known={app.appid: await configuration.known(app.appid) for app in apps},
        )
        domains = {app.name: needed_domain(app, base) for app in apps}
        wrong = any(finding.wrong for finding in found)
        if as_json:
            emit(
                {
                    "ok": not wrong,
                    "findings": [finding.as_document() for finding in found],
                    "domains": {name: domain.as_document() for name, domain in domains.items()},
                }
            )
        else:
            out = stdout()
            for finding in found:
                mark = "[red]✗[/]" if finding.wrong else "[yellow]·[/]"
                out.print(f"{mark} [bold]{escape(finding.about)}[/]  {escape(finding.text_zh)}")
                out.print(f"  {escape(finding.text)}", style="dim")
            if not apps:
                out.print(
                    "还没有人可以登录 · nobody can log in yet; "
                    "`wxgate login app add` lets them, with an appid"
                )
            elif not wrong:
                out.print("[green]✓[/] nothing wrong here · 未发现问题")
            for name, domain in domains.items():
                if domain.host:
                    out.print(f"\n{name}: 微信须登记 · WeChat must know [bold]{escape(domain.host)}[/]")
                    out.print(f"  {escape(domain.where_zh)}")
                    out.print(f"  {escape(domain.where)}", style="dim")
        if wrong:
            raise typer.Exit(1)

    with_node(work, database_url=database_url, key_file=key_file)
