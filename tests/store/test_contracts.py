"""Every port of custody, events and login has a contract suite, which calls each method on both engines."""

import ast
import inspect
from operator import attrgetter
from pathlib import Path

import pytest

from wxgate.custody import ports
from wxgate.events import ports as event_ports
from wxgate.login import ports as login_ports
from wxgate.store import Store

HERE = Path(__file__).parent

# The port, where a store has it, and the suites that hold it to what it promises.
CONTRACTS = {
    ports.PlatformStore: ("platforms", "test_platforms"),
    ports.ConfigurationStore: ("configuration", "test_configuration"),
    ports.TicketStore: ("tickets", "test_tickets"),
    ports.TokenStore: ("tokens", "test_tokens"),
    ports.AuthorizationStore: ("authorizations", "test_authorizations"),
    ports.TransferStore: ("transfer", "test_transfer"),
    ports.ExchangeStore: ("exchanges", "test_exchanges"),
    ports.AccountStore: ("accounts", "test_platforms"),
    ports.LinkStore: ("links", "test_links"),
    ports.ClientStore: ("clients", "test_clients"),
    ports.LabelStore: ("labels", "test_clients"),
    ports.AuditStore: ("audit", "test_audit"),
    ports.QuotaStore: ("quota", "test_quota"),
    ports.DutyStore: ("duties", "test_duties"),
    ports.KeyUseStore: ("key_uses", "test_key_uses"),
    event_ports.Inbox: ("inbox", "test_inbox"),
    event_ports.Answers: ("answers", "test_answers"),
    event_ports.ReplyPolicies: ("policies", "test_policies"),
    event_ports.Subscribers: ("subscribers", "test_subscribers"),
    event_ports.Deliveries: ("deliveries", "test_deliveries"),
    event_ports.EventLog: ("event_log", "test_event_log"),
    event_ports.PushLog: ("push_log", "test_push_log"),
    event_ports.ReleaseTests: ("release_tests", "test_release_tests"),
    event_ports.CodeAuditStore: ("code_audits", "test_code_audits"),
    login_ports.Realms: ("login.realms", "test_login_realms"),
    login_ports.Attempts: ("login.attempts", "test_login_attempts"),
    login_ports.Identities: ("login.identities", "test_login_identities"),
    login_ports.Sessions: ("login.sessions", "test_login_sessions"),
    login_ports.Codes: ("login.codes", "test_login_sessions"),
    login_ports.Grants: ("login.grants", "test_login_sessions"),
    login_ports.SigningKeys: ("login.keys", "test_login_sessions"),
    login_ports.Scans: ("login.scans", "test_login_sessions"),
}


def methods(port: type) -> set[str]:
    """Name the methods of a port."""
    return {name for name, value in vars(port).items() if inspect.isfunction(value) and name[0] != "_"}


def called(suite: str, attribute: str) -> set[str]:
    """Name the methods of a store's part that a suite calls: `store.tokens.claim(…)` is `claim` of tokens.

    A part that a suite keeps in a variable, or a second store's, counts as well.
    """
    tree = ast.parse((HERE / f"{suite}.py").read_text("utf-8"))
    last = attribute.rpartition(".")[2]
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Attribute | ast.Name)
        and ast.unparse(node.value).rpartition(".")[2] == last
    }


def test_every_port_is_in_the_list() -> None:
    named = {
        value
        for module in (ports, event_ports, login_ports)
        for value in vars(module).values()
        if getattr(value, "_is_protocol", False) and value.__module__ == module.__name__
    }
    assert named == set(CONTRACTS)


@pytest.mark.parametrize("port", CONTRACTS, ids=lambda port: port.__name__)
def test_every_method_of_a_port_is_called_by_its_suite_on_both_engines(port: type) -> None:
    attribute, suite = CONTRACTS[port]
    assert methods(port) - called(suite, attribute) == set()
    source = (HERE / f"{suite}.py").read_text("utf-8")
    assert "store: Store" in source, "the fixture that runs a test on SQLite and on PostgreSQL is not used"


async def test_a_store_has_every_port(store: Store) -> None:
    for port, (attribute, _) in CONTRACTS.items():
        part = attrgetter(attribute)(store)
        missing = [name for name in methods(port) if not callable(getattr(part, name, None))]
        assert not missing, f"{attribute} lacks {missing}"
