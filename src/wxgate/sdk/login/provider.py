"""What the gateway publishes, kept for a while: its endpoints and its keys."""

from collections.abc import Callable, Generator
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar

from joserfc.jwk import KeySet

from wxgate.clock import Clock
from wxgate.sdk.login.oidc import Fetch, Fetched, KeyUnknown, Metadata, ProviderFailed, read_keys

T = TypeVar("T")

Steps: TypeAlias = Generator[Fetch, Fetched, T]
"""Something that needs the network: it yields what is to be fetched, is sent what came, and returns T."""

KEPT = timedelta(hours=1)
BETWEEN_REFETCHES = timedelta(seconds=30)
BETWEEN_FAILURES = timedelta(seconds=10)


class Provider:
    """One issuer, as far as we have asked it."""

    def __init__(self, issuer: str, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._metadata: tuple[Metadata, datetime] | None = None
        self._keys: tuple[KeySet, datetime] | None = None
        self._failed_at: datetime | None = None
        self._looked_again_at: datetime | None = None

    def metadata(self) -> Steps[Metadata]:
        """Return the endpoints; what was known before is used on while the gateway does not answer."""
        now = self._clock.now()
        if self._metadata is not None and now - self._metadata[1] < KEPT:
            return self._metadata[0]
        if self._failed_at is None or now - self._failed_at >= BETWEEN_FAILURES:
            answer = yield Fetch(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
            try:
                self._metadata = Metadata.read(answer, self._issuer), now
                self._failed_at = None
            except ProviderFailed:
                self._failed_at = now
        if self._metadata is None:
            raise ProviderFailed(f"{self._issuer} does not answer as an OpenID provider of that name")
        return self._metadata[0]

    def verified(self, check: Callable[[KeySet], dict[str, Any]]) -> Steps[dict[str, Any]]:
        """Check a token; for one that names an unknown key the keys are fetched again, once."""
        now = self._clock.now()
        if self._keys is None or now - self._keys[1] >= KEPT:
            return check((yield from self._fetch_keys()))
        try:
            return check(self._keys[0])
        except KeyUnknown:
            # Anybody can send us tokens that name keys; the gateway shall not be asked for each of them.
            if self._looked_again_at is not None and now - self._looked_again_at < BETWEEN_REFETCHES:
                raise
            self._looked_again_at = now
            return check((yield from self._fetch_keys()))

    def _fetch_keys(self) -> Steps[KeySet]:
        metadata = yield from self.metadata()
        answer = yield Fetch(metadata.jwks_uri)
        try:
            keys = read_keys(answer)
        except ProviderFailed:
            if self._keys is None:
                raise
            return self._keys[0]
        self._keys = keys, self._clock.now()
        return keys
