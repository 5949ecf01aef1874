"""Answers for every other known API: the right shape, filled with values that follow from the field names."""

from typing import Any

from wxgate.emulator.api.call import Call, Json
from wxgate.emulator.api.gate import BUSINESS, COMPONENT, Route, route
from wxgate.emulator.world import World
from wxgate.protocol import endpoints
from wxgate.protocol.endpoints import TokenUse

_TOKENS = {
    TokenUse.COMPONENT: COMPONENT,
    TokenUse.AUTHORIZER: BUSINESS,
    TokenUse.DIRECT: None,
    TokenUse.NONE: None,
}
_SCALARS = {"int": 1, "float": 1.0, "bool": True, "null": None}
_MOMENT = 1_700_000_000
_MOMENTS = ("time", "timestamp", "created_at", "_date")

# The smallest picture there is (1x1 GIF), for the few APIs that answer with an image.
PIXEL = bytes.fromhex(
    "47494638396101000100800000ffffff00000021f90400000000002c00000000010001000002024401003b"
)
_IMAGES = (
    "/wxa/get_qrcode",
    "/wxa/getwxacode",
    "/wxa/getwxacodeunlimit",
    "/cgi-bin/wxaapp/createwxaqrcode",
    "/cgi-bin/media/get",
    "/cgi-bin/showqrcode",
)


def find_route(method: str, path: str) -> Route | None:
    """Return the route of a catalogued path; a wrong verb finds the path all the same."""
    known = endpoints.find(path, method) or endpoints.find(path)
    return route(known.method, _TOKENS[known.token], _answer) if known else None


def _answer(world: World, call: Call) -> Json | bytes:
    if call.path in _IMAGES:
        return PIXEL
    shape = endpoints.shape(call.method, call.path)
    if shape is None or shape.response is None:
        return {"errcode": 0, "errmsg": "ok"}
    answer = sample("", shape.response)
    assert isinstance(answer, dict)
    return answer


def sample(name: str, shape: Any) -> Any:
    """Make a value of a shape: the same for the same field every time."""
    if name == "errcode":
        return 0
    if name == "errmsg":
        return "ok"
    if isinstance(shape, dict):
        return {key: sample(key, value) for key, value in shape.items()}
    if isinstance(shape, list):
        return [sample(name, each) for each in shape[:1]]
    if shape == "int" and name.lower().endswith(_MOMENTS):
        return _MOMENT
    if shape == "string":
        return _text(name.lower())
    return _SCALARS.get(shape)


def _text(name: str) -> str:
    if name.endswith(("url", "link", "image", "img")):
        return "https://example.com/emulated"
    if name.endswith("openid"):
        return "oEmulatedOpenid0000000000000"
    if name.endswith("appid"):
        return "wx0000000000000000"
    return f"emulated-{name}" if name else "emulated"
