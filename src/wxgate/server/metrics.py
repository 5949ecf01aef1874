"""What the gateway counts, for Prometheus."""

from collections.abc import Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from wxgate.custody.circuit import CircuitState
from wxgate.custody.guarding import Standing
from wxgate.errors import GatewayError
from wxgate.events.records import Backlog, Event, NewEvent
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
        self.being_handled = Gauge(
            "wxgate_events_being_handled",
            "Events whose handler or replier is at work on this node.",
            registry=self.registry,
        )
        self.event_streams = Gauge(
            "wxgate_event_streams", "Streams of events that are open on this node.", registry=self.registry
        )
        self.replies = Counter(
            "wxgate_replies_total",
            "Replies by the way they took to the user.",
            ["way"],
            registry=self.registry,
        )
        self.renewals = Counter(
            "wxgate_token_renewals_total",
            "Token renewals by kind and result.",
            ["kind", "result"],
            registry=self.registry,
        )
        self.planned_tokens = Counter(
            "wxgate_tokens_planned_total",
            "Tokens that were due, by what was decided about them.",
            ["decision"],
            registry=self.registry,
        )
        self.token_reports = Counter(
            "wxgate_token_reports_total",
            "Reports that WeChat rejected a token, by kind and outcome.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.ticket_requests = Counter(
            "wxgate_ticket_requests_total",
            "Requests to WeChat to push tickets again, by platform and result.",
            ["platform", "result"],
            registry=self.registry,
        )
        self.ticket_age = Gauge(
            "wxgate_ticket_age_seconds",
            "Seconds since WeChat pushed the newest ticket; -1 while there is none.",
            ["platform"],
            registry=self.registry,
        )
        self.circuits_open = Gauge(
            "wxgate_token_circuits_open",
            "Circuits that are open: tokens of this kind are not fetched at present.",
            ["issuer", "kind"],
            registry=self.registry,
        )
        self.fetch_budget = Gauge(
            "wxgate_token_fetch_budget_used",
            "The part of the day's budget of fetches that is used, by all nodes; the fullest of a kind.",
            ["issuer", "kind"],
            registry=self.registry,
        )
        self.authorizations = Counter(
            "wxgate_authorizations_total",
            "Authorizations by platform and change.",
            ["platform", "change"],
            registry=self.registry,
        )

        self.code_audits = Counter(
            "wxgate_code_audits_total",
            "Audits of mini programs' code that came to another state, by how that became known.",
            ["state", "source"],
            registry=self.registry,
        )
        self.odd_pushes = Counter(
            "wxgate_odd_pushes_total",
            "Component events kept with fields that are not as WeChat documents them, by InfoType.",
            ["info_type"],
            registry=self.registry,
        )
        self.reconcile_findings = Counter(
            "wxgate_reconcile_findings_total",
            "Differences between WeChat's list of authorised accounts and ours, by kind and outcome.",
            ["platform", "kind", "outcome"],
            registry=self.registry,
        )
        self.release_steps = Counter(
            "wxgate_release_test_steps_total",
            "Steps of WeChat's release test (全网发布检测), by platform, step and result.",
            ["platform", "step", "result"],
            registry=self.registry,
        )
        self.push_lines_dropped = Counter(
            "wxgate_push_log_dropped_total",
            "Pushes without a line in the push log, because the database did not keep up.",
            registry=self.registry,
        )
        self.removed = Counter(
            "wxgate_retention_removed_total",
            "Events, lines of the push log and other records deleted because of their age or number, "
            "messages redacted, and deliveries deleted because their subscriber is gone.",
            ["kind"],
            registry=self.registry,
        )
        self.deliveries_waiting = Gauge(
            "wxgate_deliveries_waiting",
            "Events on their way to a subscriber.",
            ["subscriber"],
            registry=self.registry,
        )
        self.deliveries_oldest = Gauge(
            "wxgate_deliveries_oldest_seconds",
            "Seconds since the oldest of them came; 0 when there is none.",
            ["subscriber"],
            registry=self.registry,
        )
        self.deliveries_dead = Gauge(
            "wxgate_deliveries_dead",
            "Events given up, which can be delivered again by hand.",
            ["subscriber"],
            registry=self.registry,
        )
        self.pages = Counter(
            "wxgate_authorize_pages_total",
            "Visits to the authorization pages by page and result.",
            ["page", "result"],
            registry=self.registry,
        )

        self.deliveries = Counter(
            "wxgate_deliveries_total",
            "Attempts to deliver an event, by subscriber and outcome.",
            ["subscriber", "outcome"],
            registry=self.registry,
        )
        self.delivery_seconds = Histogram(
            "wxgate_delivery_seconds",
            "Seconds an attempt to deliver an event took, by subscriber.",
            ["subscriber"],
            registry=self.registry,
            buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.oidc = Counter(
            "wxgate_oidc_requests_total",
            "Requests to the OpenID provider, and logouts it told clients of, by endpoint and result.",
            ["endpoint", "result"],
            registry=self.registry,
        )
        self.api = Counter(
            "wxgate_api_requests_total",
            "Requests to the API by route and outcome.",
            ["route", "outcome"],
            registry=self.registry,
        )

        self.login_attempts = Counter(
            "wxgate_login_attempts_total",
            "What came back to attempts to log in, by app, how WeChat was asked, and outcome.",
            ["app", "mode", "outcome"],
            registry=self.registry,
        )
        self.login_sessions = Counter(
            "wxgate_login_sessions_total",
            "Sessions by realm and what became of them: started, proved, replaced, ended.",
            ["realm", "event"],
            registry=self.registry,
        )
        self.login_pages = Counter(
            "wxgate_login_pages_total",
            "Visits to the login pages by page and result.",
            ["page", "result"],
            registry=self.registry,
        )

    def renewed(self, key: TokenKey) -> None:
        """Count a renewal."""
        self.renewals.labels(key.kind, "renewed").inc()

    def renewal_failed(self, key: TokenKey, error: GatewayError) -> None:
        """Count a failed renewal by the kind of error."""
        self.renewals.labels(key.kind, type(error).__name__).inc()

    def planned(self, decision: str, count: int) -> None:
        """Count decisions about tokens that were due."""
        self.planned_tokens.labels(decision).inc(count)

    def overtaken(self, key: TokenKey) -> None:
        """Count a renewal that came too late."""
        self.renewals.labels(key.kind, "overtaken").inc()

    def reported(self, key: TokenKey, outcome: str) -> None:
        """Count a report that a token does not work."""
        self.token_reports.labels(key.kind, outcome).inc()

    def note_fetches(self, standings: Sequence[Standing]) -> None:
        """Take over how fetches stand."""
        self.circuits_open.clear()
        self.fetch_budget.clear()
        fullest: dict[tuple[str, str], float] = {}
        for one in standings:
            labels = (one.scope.issuer, one.scope.kind.value)
            self.circuits_open.labels(*labels).inc(one.state is not CircuitState.CLOSED)
            fullest[labels] = max(one.share, fullest.get(labels, 0.0))
        for labels, used in fullest.items():
            self.fetch_budget.labels(*labels).set(used)

    def note_backlog(self, backlog: Sequence[Backlog], now: datetime) -> None:
        """Take over what waits for subscribers."""
        for gauge in (self.deliveries_waiting, self.deliveries_oldest, self.deliveries_dead):
            gauge.clear()
        for one in backlog:
            age = 0.0 if one.oldest is None else max(0.0, (now - one.oldest).total_seconds())
            self.deliveries_waiting.labels(one.subscriber).set(one.waiting)
            self.deliveries_oldest.labels(one.subscriber).set(age)
            self.deliveries_dead.labels(one.subscriber).set(one.dead)

    def found(self, platform: str, kind: str, outcome: str) -> None:
        """Count a difference between WeChat's list and ours."""
        self.reconcile_findings.labels(platform, kind, outcome).inc()

    def release_step(self, platform: str, step: str, ok: bool) -> None:
        """Count a step of WeChat's release test."""
        self.release_steps.labels(platform, step, "good" if ok else "failed").inc()

    def handled(self, event: NewEvent | Event, outcome: str, seconds: float) -> None:
        """Count how a message ended."""
        self.messages.labels(event.kind, outcome).inc()

    def sent(self, subscriber: str, outcome: str, seconds: float) -> None:
        """Count an attempt to deliver."""
        self.deliveries.labels(subscriber, outcome).inc()
        self.delivery_seconds.labels(subscriber).observe(seconds)

    def replied(self, way: str) -> None:
        """Count the way a reply took."""
        self.replies.labels(way).inc()

    def render(self) -> bytes:
        """Write everything in Prometheus's text format."""
        return generate_latest(self.registry)
