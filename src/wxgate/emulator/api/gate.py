"""What stands before every API: verb, body, token, IP, authorization, permission set and quota."""

from collections.abc import Callable
from dataclasses import dataclass

from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.world import Account, World, refusal
from wxgate.emulator.world.tokens import IssuedToken, Origin
from wxgate.protocol import permissions
from wxgate.protocol.permissions import AccountKind

Handler = Callable[[World, Call], Json | bytes]

COMPONENT = frozenset({Origin.COMPONENT})
BUSINESS = frozenset({Origin.AUTHORIZER, Origin.DIRECT, Origin.STABLE})
ANY = COMPONENT | BUSINESS


@dataclass(frozen=True, slots=True)
class Route:
    """How a path may be called and who answers; without `tokens` it takes none."""

    methods: frozenset[str]
    tokens: frozenset[Origin] | None
    handler: Handler
    counted: bool = True


def route(method: str, tokens: frozenset[Origin] | None, handler: Handler, *, counted: bool = True) -> Route:
    """Make a route; `method` may name several, joined by a slash, or none when any will do."""
    return Route(frozenset(method.split("/")) if method else frozenset(), tokens, handler, counted)


def admit(world: World, call: Call, way: Route) -> None:
    """Let a call through or raise WeChat's refusal; fills in data, token, platform and appid."""
    if way.methods and call.method not in way.methods:
        raise refusal(43001 if way.methods == {"GET"} else 43002)
    if call.method == "POST" and not call.path.endswith("/v2"):
        call.read_body()
    if way.tokens is None:
        return
    token = _token(world, call, way.tokens)
    call.token, call.platform = token, token.platform
    if token.origin is Origin.COMPONENT:
        check_platform_ip(world, call, token)
    else:
        call.appid = token.appid
        _check_business(world, call, token)
    if way.counted:
        world.quotas.count(token.appid, call.path, token.platform)


def _token(world: World, call: Call, wanted: frozenset[Origin]) -> IssuedToken:
    value = call.query.get("access_token", "")
    if Origin.COMPONENT in wanted:  # component APIs take both names
        value = call.query.get("component_access_token", value)
    if not value:
        raise refusal(41001)
    token = world.tokens.check(value)
    if token.origin not in wanted:
        raise refusal(61014 if wanted == COMPONENT else 61015)
    return token


def admit_component(world: World, call: Call) -> IssuedToken:
    """Let a call of `sns` on behalf through on its component token; another kind of token is 40001."""
    value = call.query.get("component_access_token", "")
    if not value:
        raise refusal(41001)
    token = world.tokens.check(value)
    if token.origin is not Origin.COMPONENT:
        raise refusal(40001)
    call.token, call.platform = token, token.platform
    check_platform_ip(world, call, token)
    return token


def check_platform_ip(world: World, call: Call, token: IssuedToken) -> None:
    allowed = world.platforms[str(token.platform)].ip_whitelist
    if allowed is not None and call.ip not in allowed:
        raise refusal(61004, ip=call.ip)


def _check_business(world: World, call: Call, token: IssuedToken) -> None:
    account = world.accounts[token.appid]
    granted = None
    if token.platform is None:
        check_account_ip(account, call.ip)
    else:
        if world.switches.check_ip_on_behalf:
            check_platform_ip(world, call, token)
        granted = world.authorizations.require(token.platform, token.appid).func_ids
    required = permissions.required_for(call.path, AccountKind(account.kind))
    if required is None:
        if permissions.required_for(call.path) is not None:  # an API of the other kind of account
            raise refusal(48001)
        return
    if granted is not None and required not in granted:
        raise refusal(61007)
    if not account.can(required):
        raise refusal(48001)


def check_account_ip(account: Account, ip: str) -> None:
    """Raise 40164 unless the caller's IP is on the account's whitelist."""
    if account.ip_whitelist is not None and ip not in account.ip_whitelist:
        raise refusal(40164, ip=ip)
