"""What a browser is called, for people who are to recognise their own.

Everybody can write anything into a User-Agent, so this is shown and never decides anything.
"""

from collections.abc import Mapping

BROWSERS: Mapping[str, str] = {
    "wxwork": "WeCom",
    "miniProgram": "WeChat mini program",
    "MicroMessenger": "WeChat",
    "HuaweiBrowser": "Huawei Browser",
    "MiuiBrowser": "Mi Browser",
    "QQBrowser": "QQ Browser",
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
"""By what they say of themselves; most say they are Chrome or Safari as well, so those come last."""

SYSTEMS: Mapping[str, str] = {
    "OpenHarmony": "HarmonyOS",
    "HarmonyOS": "HarmonyOS",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def describe(agent: str) -> str:
    """Name browser and system of a User-Agent, such as `Chrome · Windows`; empty where neither is known."""
    found = (_first(BROWSERS, agent), _first(SYSTEMS, agent))
    return " · ".join(name for name in found if name)


def _first(names: Mapping[str, str], agent: str) -> str:
    return next((name for sign, name in names.items() if sign in agent), "")
