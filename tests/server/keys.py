"""API keys for tests, and requests that show them."""

import json
from dataclasses import dataclass
from typing import Any

from tests.harness import World
from wxgate.custody.clients import Client, ClientScope, Reach, read_networks
from wxgate.custody.issuing import NewClient

ALL_SCOPES = frozenset(ClientScope)


@dataclass(frozen=True, slots=True)
class Said:
    """One answer of the API."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def document(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def error(self) -> Any:
        """The body of a refusal."""
        return self.document["error"]


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody with a key."""

    world: World
    client: Client
    key: str
    address: str = ""

    async def get(self, path: str, **headers: str) -> Said:
        """GET a path of the API."""
        return await request(self.world, "GET", path, self.key, base=self.address, **headers)

    async def post(self, path: str, document: Any = None, *, body: bytes | None = None) -> Said:
        """POST a JSON document, or raw bytes."""
        data = json.dumps(document).encode() if body is None else body
        return await request(self.world, "POST", path, self.key, base=self.address, body=data)

    async def send(self, method: str, path: str, document: Any = None) -> Said:
        """Send a request with another method, with a JSON document if there is one."""
        data = b"" if document is None else json.dumps(document).encode()
        return await request(self.world, method, path, self.key, base=self.address, body=data)


async def request(
    world: World,
    method: str,
    path: str,
    key: str | None,
    *,
    base: str = "",
    body: bytes = b"",
    **headers: str,
) -> Said:
    """Ask the API."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        named["authorization"] = f"Bearer {key}"
    url = (base or world.gateway_url) + path
    async with world.http.request(method, url, headers=named, data=body or None) as response:
        headers_in = {name.lower(): value for name, value in response.headers.items()}
        return Said(response.status, headers_in, await response.text())


async def holder(
    world: World,
    *scopes: ClientScope,
    platforms: tuple[str, ...] = (),
    accounts: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    networks: tuple[str, ...] = (),
    **fields: Any,
) -> Holder:
    """Make a key; without scopes it has all of them, narrowed by nothing it is for everything."""
    reach = Reach(frozenset(platforms), frozenset(accounts), frozenset(tags))
    new = NewClient(
        name="a system",
        scopes=frozenset(scopes) or ALL_SCOPES,
        reach=reach,
        everything=reach.is_everything,
        networks=read_networks(networks),
        **fields,
    )
    client, key = await world.node.clients.add(new)
    return Holder(world, client, key.reveal())
