"""Takes a call, finds who answers, and writes the answer as WeChat does: errors in HTTP 200, with a rid."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from wxgate.emulator.api import account, code, component, generic, quota, scenes, sns
from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.gate import Route, admit
from wxgate.emulator.world import World, refusal
from wxgate.emulator.world.refusals import with_suffix
from wxgate.errors import WeChatError

ROUTES: Mapping[str, Route] = {
    **component.ROUTES,
    **account.ROUTES,
    **quota.ROUTES,
    **code.ROUTES,
    **sns.ROUTES,
    **scenes.ROUTES,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back to the caller."""

    body: bytes
    content_type: str
    status: int = 200


def answer(world: World, call: Call) -> Answer:
    """Do the work of a call and answer it."""
    call.rid = world.wire_values.rid(world.clock.seconds())
    way = ROUTES.get(call.path) or generic.find_route(call.method, call.path)
    try:
        if way is None:
            raise refusal(40066)
        admit(world, call, way)
        result = way.handler(world, call)
    except WeChatError as refused:
        return refuse(world, call, refused)
    if isinstance(result, bytes):
        call.status = 200
        return Answer(result, "image/gif")
    return _write(world, call, result)


def refuse(world: World, call: Call, refused: WeChatError) -> Answer:
    """Answer a call with an errcode."""
    rid = call.rid = call.rid or world.wire_values.rid(world.clock.seconds())
    style, hint = world.switches.errmsg_suffix, world.wire_values.hint()
    errmsg = with_suffix(refused.errcode, refused.errmsg, style=style, rid=rid, hint=hint)
    return _write(world, call, {"errcode": refused.errcode, "errmsg": errmsg})


def _write(world: World, call: Call, result: Json) -> Answer:
    call.status, call.answer = 200, result
    text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
    if world.switches.escape_slash:
        text = text.replace("/", "\\/")
    kind = world.switches.content_type
    if call.path.startswith("/sns/"):
        kind = world.switches.sns_content_type
        if charset := world.switches.sns_charset:
            kind = f"{kind}; charset={charset}"
        if world.switches.nickname_control_character:
            text = text.replace(r"\u0014", "\x14")
    return Answer(text.encode(), kind)
