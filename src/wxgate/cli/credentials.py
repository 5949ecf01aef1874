"""The credentials a platform or a direct account is set up with: checked, made, and changed without a gap."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wxgate.cli.arguments import ask_secret, read_secret
from wxgate.custody.credentials import check_aes_key, check_token, make_aes_key, make_token, put_first
from wxgate.custody.records import PushCredentials
from wxgate.secret import AppSecret, EncodingAESKey, PushToken


@dataclass(frozen=True, slots=True)
class Given:
    """The credentials that a command was given, all of the right form."""

    secret: AppSecret | None
    token: PushToken | None
    aes_key: EncodingAESKey | None

    @classmethod
    def read(
        cls,
        secret: tuple[str | None, Path | None],
        token: tuple[str | None, Path | None],
        aes_key: tuple[str | None, Path | None],
        *,
        generate: bool,
    ) -> Self:
        """Read each from its option or its file and check it; make what is to be generated."""
        secret_text, token_text = read_secret("secret", *secret), read_secret("token", *token)
        key_text = read_secret("aes-key", *aes_key)
        return cls(
            AppSecret(secret_text) if secret_text else None,
            check_token(token_text) if token_text else make_token() if generate else None,
            check_aes_key(key_text) if key_text else make_aes_key() if generate else None,
        )

    def secret_or_ask(self) -> AppSecret:
        """Return the AppSecret, asking for it when it was not given."""
        return self.secret or AppSecret(ask_secret("secret", "AppSecret"))

    def token_or_ask(self) -> PushToken:
        """Return the token, asking for it when it was not given."""
        return self.token or check_token(ask_secret("token", "消息校验Token"))

    def aes_key_or_ask(self) -> EncodingAESKey:
        """Return the AES key, asking for it when it was not given."""
        return self.aes_key or check_aes_key(ask_secret("aes-key", "消息加解密Key"))

    def change(self, before: PushCredentials) -> PushCredentials:
        """Put new values in front of the old, which stay good until the next change."""
        return put_first(before, self.token, self.aes_key)
