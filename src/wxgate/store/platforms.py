"""Platforms and direct accounts, with their secrets sealed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select

from wxgate.custody.records import DirectAccount, Platform
from wxgate.custody.vault import Vault
from wxgate.protocol.envelope import Format, Mode
from wxgate.secret import AppSecret, Secret
from wxgate.store.database import Database
from wxgate.store.seals import Seals
from wxgate.store.tables import direct_accounts, platforms
from wxgate.store.upsert import put

CREATED_ONCE = frozenset({"created_at"})


class SqlPlatforms:
    """Implements custody's PlatformStore."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._platforms = Seals(vault, "platforms")
        self._directs = Seals(vault, "direct_accounts")

    async def put_platform(self, platform: Platform) -> None:
        """Insert or replace a platform."""
        async with self._database.write() as connection:
            await put(connection, platforms, self.platform_row(platform), keep=CREATED_ONCE)

    async def load_platform(self, appid: str) -> Platform | None:
        """Load one platform."""
        async with self._database.read() as connection:
            row = (await connection.execute(select(platforms).where(platforms.c.appid == appid))).first()
        return self.read_platform(row) if row else None

    async def list_platforms(self) -> Sequence[Platform]:
        """List all platforms that open."""
        return (await self._list_platforms())[0]

    async def put_direct(self, account: DirectAccount) -> None:
        """Insert or replace a direct account."""
        async with self._database.write() as connection:
            await put(connection, direct_accounts, self.direct_row(account), keep=CREATED_ONCE)

    async def load_direct(self, appid: str) -> DirectAccount | None:
        """Load one direct account."""
        query = select(direct_accounts).where(direct_accounts.c.appid == appid)
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        return self.read_direct(row) if row else None

    async def list_directs(self) -> Sequence[DirectAccount]:
        """List all direct accounts that open."""
        return (await self._list_directs())[0]

    async def list_shut(self) -> Sequence[str]:
        """Name the platforms and direct accounts whose secrets do not open."""
        return (await self._list_platforms())[1] + (await self._list_directs())[1]

    async def _list_platforms(self) -> tuple[list[Platform], list[str]]:
        async with self._database.read() as connection:
            rows = (await connection.execute(select(platforms).order_by(platforms.c.appid))).all()
        return self._platforms.open_each(rows, self.read_platform, "appid")

    async def _list_directs(self) -> tuple[list[DirectAccount], list[str]]:
        async with self._database.read() as connection:
            rows = (await connection.execute(select(direct_accounts).order_by(direct_accounts.c.appid))).all()
        return self._directs.open_each(rows, self.read_direct, "appid")

    def platform_row(self, platform: Platform) -> dict[str, Any]:
        """Make the row of a platform."""
        return {
            "appid": platform.appid,
            "name": platform.name,
            "secret": self._platforms.seal(platform.secret, "secret", platform.appid),
            "push": self._platforms.seal_push(platform.push, platform.appid),
            "redirect_key": self._platforms.seal(platform.redirect_key, "redirect_key", platform.appid),
            "created_at": platform.created_at,
        }

    def direct_row(self, account: DirectAccount) -> dict[str, Any]:
        """Make the row of a direct account."""
        return {
            "appid": account.appid,
            "name": account.name,
            "secret": self._directs.seal(account.secret, "secret", account.appid),
            "user_name": account.user_name,
            "push": self._directs.seal_push(account.push, account.appid),
            "mode": account.mode.value,
            "format": account.format.value,
            "created_at": account.created_at,
        }

    def read_platform(self, row: Row[Any]) -> Platform:
        """Make a platform of its row."""
        return Platform(
            appid=row.appid,
            name=row.name,
            secret=AppSecret(self._platforms.open(row.secret, "secret", row.appid)),
            push=self._platforms.open_push(row.push, row.appid),
            redirect_key=Secret(self._platforms.open(row.redirect_key, "redirect_key", row.appid)),
            created_at=row.created_at,
        )

    def read_direct(self, row: Row[Any]) -> DirectAccount:
        """Make a direct account of its row."""
        return DirectAccount(
            appid=row.appid,
            name=row.name,
            secret=AppSecret(self._directs.open(row.secret, "secret", row.appid)),
            user_name=row.user_name,
            push=self._directs.open_push(row.push, row.appid),
            mode=Mode(row.mode),
            format=Format(row.format),
            created_at=row.created_at,
        )
