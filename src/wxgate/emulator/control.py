"""The emulator's own face under /_emulator/: look at the world, change it, act in it, all in JSON."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from wxgate.emulator.login_acts import LoginActs
from wxgate.emulator.parties import Told
from wxgate.emulator.pushes import Push
from wxgate.emulator.rehearsal import PATIENCE_SECONDS, Rehearsal, account_of
from wxgate.emulator.world import Account, PageRefusal, Platform, User
from wxgate.errors import ConfigError, GatewayError, NotFound

if TYPE_CHECKING:
    from wxgate.emulator.app import Emulator

Given = Mapping[str, Any]
Act = Callable[[Given], Awaitable[Any]]

_ACT_WORDS = {"appid", "openid", "user", "type", "event", "wait", "fields"}
_OVERRIDES = ("tamper", "timestamp", "nonce", "token", "aes_key", "tail_appid")


class Control:
    """The control plane of one emulator."""

    def __init__(self, emulator: "Emulator") -> None:
        self._emulator = emulator
        self._world = emulator.world
        self._actor = emulator.actor
        self._pusher = emulator.pusher
        self._logins = LoginActs(emulator.world, emulator.actor)
        self._rehearsal = Rehearsal(emulator.world, emulator.actor, emulator.pusher, emulator.calls)

    def routes(self) -> list[Route]:
        """Return the routes, to be mounted at /_emulator."""
        reads: Mapping[str, Callable[[Given], Any]] = {
            "/state": lambda given: self._state(),
            "/clock": lambda given: self._clock(),
            "/calls": self._calls,
            "/pushes": self._pushes,
            "/messages": self._messages,
            "/inbox": self._inbox,
            "/faults": lambda given: [fault.as_json() for fault in self._emulator.faults.all()],
            **self._logins.reads(),
            "/switches": lambda given: self._world.switches.help() if "help" in given else self._switches(),
        }
        writes: Mapping[str, Act] = {
            "/reset": self._reset,
            "/clock": self._move_clock,
            "/platforms": self._put_platform,
            "/accounts": self._put_account,
            "/users": self._put_user,
            "/quotas": self._put_quota,
            "/faults": self._put_fault,
            "/switches": self._turn_switches,
            "/tokens/expire": self._expire_tokens,
            "/act/ticket": self._act_ticket,
            "/act/authorize": self._act_authorize,
            "/act/update-authorization": self._act_update,
            "/act/unauthorize": self._act_unauthorize,
            "/act/message": self._act_message,
            "/act/event": self._act_event,
            "/act/push": self._act_push,
            "/act/echo": self._act_echo,
            "/act/component-event": self._act_component_event,
            "/act/release-test": self._act_release_test,
            "/act/register": self._act_register,
            "/act/notice": self._act_notice,
            "/act/audit": self._act_audit,
            "/act/scan_qr": self._act_scan_qr,
            **self._logins.writes(),
        }
        return [
            *(Route(path, _reading(read), methods=["GET"]) for path, read in reads.items()),
            *(Route(path, self._writing(act), methods=["POST"]) for path, act in writes.items()),
            Route("/faults", _reading(self._remove_faults), methods=["DELETE"]),
        ]

    def _writing(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                body = await request.body()
                given = json.loads(body) if body else {}
                if not isinstance(given, dict):
                    return _problem(400, "the body must be a JSON object")
                result = await act(given)
            except json.JSONDecodeError as problem:
                return _problem(400, f"the body is not JSON: {problem}")
            except GatewayError as problem:
                return _problem(404 if isinstance(problem, NotFound) else 400, str(problem))
            except PageRefusal as problem:
                return _json({"error": problem.text, "ret": problem.ret}, 409)
            except (KeyError, TypeError, ValueError) as problem:
                return _problem(400, f"{type(problem).__name__}: {problem}")
            self._emulator.schedule.wake()
            return _json(result)

        return endpoint

    # Looking

    def _state(self) -> Any:
        world = self._world
        return {
            "seed": world.seed,
            **self._clock(),
            "platforms": [self._platform_state(each) for each in world.platforms.values()],
            "accounts": [asdict(each) for each in world.accounts.values()],
            "users": [asdict(each) for each in world.users.values()],
            "authorizations": [asdict(each) for each in world.authorizations.all()],
            "pre_auth_codes": world.codes.pre_auth_codes_made,
            "tokens": world.tokens.count(),
            "faults": len(self._emulator.faults.all()),
            "calls": len(self._emulator.calls.find()),
            "pushes": len(self._pusher.log),
        }

    def _platform_state(self, platform: Platform) -> Any:
        tickets = self._world.tickets.all(platform.appid)
        return {**asdict(platform), "tickets": [asdict(each) for each in tickets]}

    def _clock(self) -> Any:
        return {"now": self._world.clock.now(), "offset": self._world.clock.offset}

    def _calls(self, given: Given) -> Any:
        found = self._emulator.calls.find(path=given.get("path"), since=int(given.get("since", 0)))
        return [call.as_json() for call in found]

    def _pushes(self, given: Given) -> Any:
        wanted = {
            name: given[name] for name in ("kind", "platform", "appid", "outcome", "id") if name in given
        }
        since = int(given.get("since", 0))
        every = [push.as_json() for push in self._pusher.log if push.n > since]
        return [each for each in every if all(each[name] == value for name, value in wanted.items())]

    def _messages(self, given: Given) -> Any:
        wanted = {name: given[name] for name in ("id", "appid", "openid", "msg_id", "kind") if name in given}
        return [self._actor.parties.as_json(told) for told in self._actor.parties.find(wanted)]

    def _inbox(self, given: Given) -> Any:
        entries = self._world.conversations.inbox(given.get("appid"), given.get("openid"))
        return [entry.as_json() for entry in entries]

    def _switches(self) -> Any:
        return self._world.switches.values()

    # Changing

    async def _reset(self, given: Given) -> Any:
        self._emulator.reset(given.get("seed"), given.get("scenario"))
        return self._state()

    async def _move_clock(self, given: Given) -> Any:
        if ("advance" in given) == ("set" in given):
            raise ConfigError('give either {"advance": seconds} or {"set": epoch}')
        if "advance" in given:
            self._world.clock.advance(float(given["advance"]))
        else:
            self._world.clock.set(float(given["set"]))
        return self._clock()

    async def _put_platform(self, given: Given) -> Any:
        return self._platform_state(self._world.put_platform(given))

    async def _put_account(self, given: Given) -> Any:
        return asdict(self._world.put_account(given))

    async def _put_user(self, given: Given) -> Any:
        return asdict(self._world.put_user(given))

    async def _put_quota(self, given: Given) -> Any:
        appid, path, party = given["appid"], given["path"], given.get("platform")
        self._world.quotas.set_limit(appid, path, int(given["daily_limit"]))
        return asdict(self._world.quotas.get(appid, path, party))

    async def _put_fault(self, given: Given) -> Any:
        return self._emulator.faults.add(given).as_json()

    def _remove_faults(self, given: Given) -> Any:
        self._emulator.faults.remove(given.get("id"))
        return [fault.as_json() for fault in self._emulator.faults.all()]

    async def _turn_switches(self, given: Given) -> Any:
        self._world.switches.change(given)
        return self._switches()

    async def _expire_tokens(self, given: Given) -> Any:
        return {"expired": self._world.tokens.expire(appid=given.get("appid"), origin=given.get("origin"))}

    # Acting

    async def _act_ticket(self, given: Given) -> Any:
        push = self._actor.make_ticket_push(self._platform(given), new=given.get("new", True))
        return await self._deliver(push, given)

    async def _act_authorize(self, given: Given) -> Any:
        platform, account = self._platform(given), self._account(given)
        func_ids, pre_auth_code = given.get("func_ids"), given.get("pre_auth_code")
        authorized = self._actor.authorize(platform, account, func_ids, pre_auth_code)
        granted = authorized.granted
        push = None if authorized.push is None else await self._deliver(authorized.push, given)
        answer = {
            "authorization_code": granted.redirect_code,
            "pre_auth_code": granted.pre_auth_code,
            "push": push,
        }
        if target := given.get("redirect_uri"):
            answer["redirect_url"] = redirect_url(
                target, granted.redirect_code, self._expires_in(granted.expires_at)
            )
        return answer

    async def _act_update(self, given: Given) -> Any:
        platform, account = self._platform(given), self._account(given)
        if self._world.authorizations.get(platform.appid, account.appid) is None:
            raise NotFound(f"{account.appid} has not authorised {platform.appid}")
        return await self._act_authorize(given)

    async def _act_unauthorize(self, given: Given) -> Any:
        return await self._deliver(
            self._actor.unauthorize(self._platform(given), self._account(given)), given
        )

    async def _act_message(self, given: Given) -> Any:
        account, user = self._account(given), self._user(given)
        told = self._actor.make_message(account, user, given.get("type", "text"), _fields(given))
        return await self._tell(told, given)

    async def _act_event(self, given: Given) -> Any:
        account, user = self._account(given), self._user(given)
        return await self._tell(self._actor.make_event(account, user, given["event"], _fields(given)), given)

    async def _act_push(self, given: Given) -> Any:
        overrides = {name: given[name] for name in _OVERRIDES if name in given}
        if given.get("kind", "component") == "component":
            receiver = self._actor.component_receiver(self._platform(given))
        elif "platform" in given:
            receiver = self._actor.message_receiver(
                self._platform(given), self._account(given), given.get("openid")
            )
        else:
            receiver = self._actor.direct_receiver(self._account(given), given.get("openid"))
        push = self._pusher.make("raw", receiver, given["xml"], appid=given.get("appid"), overrides=overrides)
        return await self._deliver(push, given)

    async def _act_echo(self, given: Given) -> Any:
        return await self._actor.echo(self._account(given))

    async def _act_component_event(self, given: Given) -> Any:
        push = self._actor.make_component_push(
            self._platform(given), given["info_type"], given.get("fields", {}), appid=given.get("appid")
        )
        return await self._deliver(push, given)

    async def _act_release_test(self, given: Given) -> Any:
        platform = self._platform(given)
        account = account_of(_name(given, "appid")) if "appid" in given else None
        patience = float(given.get("patience", PATIENCE_SECONDS))
        return (await self._rehearsal.play(platform, account, patience=patience)).as_json()

    async def _act_register(self, given: Given) -> Any:
        account, push = self._actor.register(self._platform(given), given)
        return {"appid": account.appid if account else None, "push": await self._deliver(push, given)}

    async def _act_notice(self, given: Given) -> Any:
        account = self._account(given)
        return await self._tell(
            self._actor.make_notice(account, given["event"], given.get("fields", {})), given
        )

    async def _act_audit(self, given: Given) -> Any:
        account = self._account(given)
        told = {name: given[name] for name in ("reason", "screenshot") if name in given}
        return await self._tell(
            self._actor.decide_audit(account, given["result"], id=given.get("auditid"), **told), given
        )

    async def _act_scan_qr(self, given: Given) -> Any:
        return await self._tell(self._logins.scan_qr(given), given)

    async def _deliver(self, push: Push, given: Given) -> Any:
        delivery = self._pusher.start(self._pusher.deliver(push))
        if given.get("wait", True):
            await delivery
        return push.as_json()

    async def _tell(self, told: Told, given: Given) -> Any:
        delivery = self._pusher.start(self._actor.parties.tell(told))
        if given.get("wait", True):
            await delivery
        return [push.as_json() for push in told.pushes]

    def _expires_in(self, expires_at: int) -> int:
        return expires_at - self._world.clock.seconds()

    def _platform(self, given: Given) -> Platform:
        return self._world.platform(_name(given, "platform"))

    def _account(self, given: Given) -> Account:
        return self._world.account(_name(given, "appid"))

    def _user(self, given: Given) -> User:
        if "user" in given:
            return self._world.user(given["user"])
        openid = _name(given, "openid")
        user = self._world.user_by_openid(given["appid"], openid)
        if user is None:
            raise NotFound(f"account {given['appid']} knows no user by {openid!r}")
        return user


def redirect_url(target: str, code: str, expires_in: int) -> str:
    """Return where the browser goes after consent; @@@ is percent-encoded, an existing query is kept."""
    address, hash, fragment = target.partition("#")
    joint = "&" if "?" in address else "?"
    return f"{address}{joint}auth_code={quote(code, safe='')}&expires_in={expires_in}{hash}{fragment}"


def _fields(given: Given) -> dict[str, Any]:
    named = {name: value for name, value in given.items() if name not in _ACT_WORDS}
    return {**named, **given.get("fields", {})}


def _name(given: Given, name: str) -> str:
    if not isinstance(given.get(name), str):
        raise ConfigError(f"say which: {name!r} is missing")
    return str(given[name])


def _reading(read: Callable[[Given], Any]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            return _json(read(dict(request.query_params)))
        except ValueError as problem:
            return _problem(400, str(problem))

    return endpoint


def _json(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data, ensure_ascii=False), status, media_type="application/json")


def _problem(status: int, text: str) -> Response:
    return _json({"error": text}, status)
