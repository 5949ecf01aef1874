"""What the gateway counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from wxgate.errors import GatewayError
from wxgate.events.records import Event, NewEvent
from wxgate.protocol.tokens import TokenKey

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one node, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pushes = Counter(
            "wxgate_pushes_total",
            "Pushes by receiver and result.",
            ["receiver", "result"],
            registry=self.registry,
        )
        self.push_seconds = Histogram(
            "wxgate_push_seconds",
            "Seconds from the first byte of a push to the answer.",
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
        )
        self.messages = Counter(
            "wxgate_messages_total",
            "Messages by kind and outcome.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.renewals = Counter(
            "wxgate_token_renewals_total",
            "Token renewals by kind and result.",
            ["kind", "result"],
            registry=self.registry,
        )
        self.ticket_age = Gauge(
            "wxgate_ticket_age_seconds",
            "Seconds since WeChat pushed the newest ticket; -1 while there is none.",
            ["platform"],
            registry=self.registry,
        )
        self.authorizations = Counter(
            "wxgate_authorizations_total",
            "Authorizations by platform and change.",
            ["platform", "change"],
            registry=self.registry,
        )

        self.pages = Counter(
            "wxgate_authorize_pages_total",
            "Visits to the authorization pages by page and result.",
            ["page", "result"],
            registry=self.registry,
        )

    def renewed(self, key: TokenKey) -> None:
        """Count a renewal."""
        self.renewals.labels(key.kind, "renewed").inc()

    def renewal_failed(self, key: TokenKey, error: GatewayError) -> None:
        """Count a failed renewal by the kind of error."""
        self.renewals.labels(key.kind, type(error).__name__).inc()

    def handled(self, event: NewEvent | Event, outcome: str, seconds: float) -> None:
        """Count how a message ended."""
        self.messages.labels(event.kind, outcome).inc()

    def render(self) -> bytes:
        """Write everything in Prometheus's text format."""
        return generate_latest(self.registry)
