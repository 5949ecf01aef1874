"""The options that several commands share."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document for machines.")]

DatabaseUrl: TypeAlias = Annotated[
    str | None,
    typer.Option("--database-url", help="The database, instead of WXGATE_DATABASE_URL.", show_default=False),
]

KeyFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--key-file", help="The sealing keys, instead of WXGATE_KEY_FILE.", show_default=False),
]

Reveal: TypeAlias = Annotated[
    bool, typer.Option("--reveal", help="Show secrets in full; think of who looks over your shoulder.")
]

AppSecretOption: TypeAlias = Annotated[
    str | None, typer.Option("--secret", help="AppSecret; - reads it from stdin.", show_default=False)
]

AppSecretFile: TypeAlias = Annotated[
    Path | None, typer.Option("--secret-file", envvar="WXGATE_SECRET_FILE", help="A file with the AppSecret.")
]

TokenOption: TypeAlias = Annotated[
    str | None, typer.Option("--token", help="消息校验Token; - reads it from stdin.", show_default=False)
]

TokenFile: TypeAlias = Annotated[
    Path | None, typer.Option("--token-file", envvar="WXGATE_TOKEN_FILE", help="A file with the token.")
]

AesKeyOption: TypeAlias = Annotated[
    str | None, typer.Option("--aes-key", help="消息加解密Key; - reads it from stdin.", show_default=False)
]

AesKeyFile: TypeAlias = Annotated[
    Path | None, typer.Option("--aes-key-file", envvar="WXGATE_AES_KEY_FILE", help="A file with the AES key.")
]

PassphraseFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file", envvar="WXGATE_PASSPHRASE_FILE", help="A file with the export's passphrase."
    ),
]

Generate: TypeAlias = Annotated[
    bool, typer.Option("--generate", help="Make a token and an AES key where none is given.")
]

UntilStdinEnds: TypeAlias = Annotated[
    bool, typer.Option("--until-stdin-ends", hidden=True, help="Stop when standard input ends.")
]
