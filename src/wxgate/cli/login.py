"""`wxgate login`: what people log in with, who they are, and where they are logged in."""

import typer

from wxgate.cli import login_app, login_client, login_key, login_realm, login_session, login_subject
from wxgate.cli.login_check import check
from wxgate.cli.login_openids import import_openids

app = typer.Typer(help="Login with WeChat, and OpenID Connect on top of it.", no_args_is_help=True)
app.add_typer(login_realm.app, name="realm")
app.add_typer(login_app.app, name="app")
app.add_typer(login_client.app, name="client")
app.add_typer(login_subject.app, name="subject")
app.add_typer(login_session.app, name="session")
app.add_typer(login_key.app, name="key")
app.command("check")(check)
app.command("import-openids")(import_openids)
