"""A login by scanning, as its three parties see it (LOGIN 5.4).

    screen   the page with the code ── events: a stream, or JSON ──> redeem ── session, on to the goal
    chat     the account answers a scan with a link
    phone    confirm: a silent login first, whose openid must be that of the scan; then yes or no

Screen, chat and phone meet in the store alone, so each may be served by another node.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import structlog
from starlette.responses import StreamingResponse

from wxgate.errors import StorageError, TooManyAttempts
from wxgate.login.records import Goal, Mode, Purpose, Realm, Scan, ScanState, Session
from wxgate.login.scans import Decision, Step
from wxgate.login.visits import Answer, Demand, Enter, Refuse, Show
from wxgate.secret import SessionId, equal, fingerprint, trace_of
from wxgate.server.front import Outcome
from wxgate.server.limits import Limiter, household
from wxgate.server.login import scan_pages
from wxgate.server.login.csrf import TOKEN, form_token, is_from_us
from wxgate.server.login.front import LoginFront, as_json, nothing, redirect
from wxgate.server.login.visits import LoginVisit
from wxgate.server.pages import Referrer, private_headers

log = structlog.get_logger("wxgate.login")

PATH = "/login/scan"

CONFIRM_AGE, ANSWER_AGE = 300, 600
"""Seconds that WeChat's word for who holds the phone may be old, at the question and at the answer."""

POLL_SECONDS = 0.5
STREAM_SECONDS = 25.0
"""How often a stream looks, and after how long it ends, or when its node does; browsers come back."""

RETRY_MILLISECONDS = 500

MOST_STREAMS, MOST_STREAMS_EACH = 1000, 4
"""Streams at once on one node, and those of one code; a page without one asks every two seconds."""

MOST_STREAMS_TOGETHER = 20
"""Streams at once of one browser, and of one address, so that none takes those of everybody."""

QUESTIONS_EACH, QUESTIONS_PER_ADDRESS = 240, 1200
SECONDS = 60.0
"""How often within how long a browser (eight pages of it), and an address (forty), ask without a stream."""

STEPS = {"confirm": Step.CONFIRM, "refuse": Step.REFUSE}

Answering: TypeAlias = Callable[[LoginVisit], Awaitable[Outcome]]

Respond: TypeAlias = Callable[[LoginVisit, Realm, Demand, Answer], Awaitable[Outcome]]
"""Makes the response of what the door says, where it is not the session that was wanted."""


class ScanRoutes:
    """Serves everything under /login/scan."""

    def __init__(self, front: LoginFront, respond: Respond) -> None:
        self._front = front
        self._respond = respond
        self._scans = front.login.scans
        self._pages = front.scan_pages
        self._streams = Counter[str]()
        self._open = 0
        self._by_browser = Limiter(QUESTIONS_EACH, SECONDS)
        self._by_address = Limiter(QUESTIONS_PER_ADDRESS, SECONDS)

    def routes(self) -> list[tuple[str, str, Answering, str]]:
        """List path, word, answer and method of each address."""
        confirm = PATH + "/confirm/{id}"
        return [
            (confirm, "scan_confirm", self._confirm, "GET"),
            (confirm, "scan_answer", self._answer, "POST"),
            (PATH + "/{id}/events", "scan_events", self._events, "GET"),
            (PATH + "/{id}/redeem", "scan_redeem", self._redeem, "POST"),
        ]

    async def _events(self, visit: LoginVisit) -> Outcome:
        """Tell the screen what has become of its code: as a stream, or once, to who asks for JSON."""
        address = household(visit.visitor.address)
        streams = "text/event-stream" in visit.request.headers.get("accept", "")
        if not streams and (wait := self._wait(visit, address)):
            raise TooManyAttempts("too many questions about codes", retry_after=wait)
        scan = await self._scans.shown_to(_id(visit), visit.visitor.browser_key)
        if scan is None:
            return "unknown", as_json({"error": "not_found"}, 404)
        if not streams:
            return "asked", as_json({"state": self._scans.state_of(scan)})
        together = (f"browser {scan.browser_hash}", f"address {address}")
        if (
            self._open >= MOST_STREAMS
            or self._streams[scan.id] >= MOST_STREAMS_EACH
            or any(self._streams[each] >= MOST_STREAMS_TOGETHER for each in together)
        ):
            return "too_many", as_json({"error": "too_many_streams"}, 429)
        headers = private_headers(Referrer.NONE) | {"X-Accel-Buffering": "no"}
        return "streamed", StreamingResponse(
            self._stream(scan, together), media_type="text/event-stream", headers=headers
        )

    def _wait(self, visit: LoginVisit, address: str) -> float:
        """Tell in how many seconds a visitor may ask; 0 takes one of what is allowed."""
        key, now = visit.visitor.browser_key, time.monotonic()
        wait = self._by_address.take(address, now)
        return wait or (self._by_browser.take(fingerprint(key), now) if key is not None else 0.0)

    async def _stream(self, scan: Scan, together: tuple[str, ...]) -> AsyncIterator[bytes]:
        """Write every change, and end when nothing more can happen; the browser comes back by itself."""
        loop = asyncio.get_running_loop()
        until, told = loop.time() + STREAM_SECONDS, ""
        counted = (scan.id, *together)
        self._streams.update(counted)
        self._open += 1
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
            while True:
                state = self._scans.state_of(scan)
                if state != told:
                    yield f"data: {json.dumps({'state': state})}\n\n".encode()
                    told = state
                over = state not in (ScanState.SHOWN, ScanState.SCANNED)
                if over or loop.time() >= until or self._front.node.feed.ended:
                    return
                await asyncio.sleep(POLL_SECONDS)
                scan = await self._scans.load(scan.id) or scan
        except StorageError as trouble:
            log.warning("login.scan_not_read", error=str(trouble))
        except Exception as fault:
            log.exception("login.scan_stream_failed", exc_info=False, exception=trace_of(fault))
        finally:
            self._open -= 1
            self._streams.subtract(counted)
            for each in counted:
                if not self._streams[each]:
                    del self._streams[each]

    async def _redeem(self, visit: LoginVisit) -> Outcome:
        """Give the screen its session, and tell it where to go on."""
        if not self._is_from_us(visit):
            return "forged", as_json({"error": "forbidden"}, 403)
        answer = await self._front.login.scanning.redeem(_id(visit), visit.visitor)
        if answer is None:
            scan = await self._scans.shown_to(_id(visit), visit.visitor.browser_key)
            if scan is not None and self._scans.state_of(scan) == ScanState.CONFIRMED:
                # Another request is at it, or has died: in a moment it is known.
                return "busy", as_json({"error": "busy"}, 503)
            return "not_confirmed", as_json({"error": "not_confirmed"}, 409)
        response = as_json({"location": answer.url})
        return "redeemed", self._front.with_cookies(response, answer.cookies)

    async def _confirm(self, visit: LoginVisit) -> Outcome:
        """Ask the person on the phone, once WeChat has said that it is the one who scanned."""
        if visit.is_head:
            return "head", nothing()
        scan = await self._scans.load(_id(visit))
        if scan is None:
            return self._said(visit, scan_pages.UNKNOWN)
        demand = _demand(visit, scan, CONFIRM_AGE)
        answer = await self._front.door.open(demand, visit.visitor)
        if not isinstance(answer, Enter):
            realm = await self._front.realm(scan.realm)
            return await self._respond(visit, realm, demand, answer)
        word = self._standing(scan, answer.session)
        if word:
            return self._said(visit, word, answer)
        token = _token(visit, scan)
        page = self._pages.ask(visit.request, visit.lang, scan, token=token, action=_question(visit, scan))
        return "asked", self._front.with_cookies(page, answer.cookies)

    async def _answer(self, visit: LoginVisit) -> Outcome:
        """Take the word of the person on the phone; the page that follows tells what came of it."""
        scan = await self._scans.load(_id(visit))
        if scan is None:
            return self._said(visit, scan_pages.UNKNOWN)
        form = await visit.form()
        step = STEPS.get(form.get("answer", ""))
        token = _token(visit, scan)
        if step is None or not self._is_from_us(visit) or not token or not equal(form.get(TOKEN, ""), token):
            return self._said(visit, scan_pages.FORGED)
        back = redirect(_question(visit, scan))
        answer = await self._front.door.open(_demand(visit, scan, ANSWER_AGE), visit.visitor)
        match answer:
            case Refuse() | Show():
                # A form is never sent to WeChat: the page it came from is, and asks once more.
                return "again", back
            case Enter(session=session):
                decision = await self._scans.decide(
                    scan, step, openid=session.openid, unionid=session.unionid
                )
                if decision is Decision.NOT_THIS_PERSON:
                    return self._said(visit, scan_pages.NOT_THIS_PERSON)
                return f"{step}_{decision}", back
            case _:
                return "again", back

    def _standing(self, scan: Scan, session: Session) -> str:
        """Say how a scan stands for whoever holds the phone; "" while the answer is open."""
        if scan.openid is None:
            return scan_pages.UNKNOWN
        if not equal(scan.openid, session.openid) or scan.appid != session.appid:
            return scan_pages.NOT_THIS_PERSON
        match scan.state:
            case ScanState.CONFIRMED | ScanState.REDEEMED:
                return scan_pages.CONFIRMED
            case ScanState.REFUSED:
                return scan_pages.REFUSED
            case _:
                return scan_pages.OVER if self._scans.is_over(scan) else ""

    def _said(self, visit: LoginVisit, word: str, answer: Enter | None = None) -> Outcome:
        response = self._pages.said(visit.request, visit.lang, word)
        return word, self._front.with_cookies(response, answer.cookies) if answer else response

    def _is_from_us(self, visit: LoginVisit) -> bool:
        # Whoever sends neither Origin nor Sec-Fetch-Site has shown a token, or a cookie no other site can.
        return is_from_us(visit.request.headers, self._front.origin)


def _id(visit: LoginVisit) -> str:
    return str(visit.request.path_params.get("id", ""))


def _question(visit: LoginVisit, scan: Scan) -> str:
    """Make the path of the page on the phone, in the language that was asked for."""
    return f"{PATH}/confirm/{scan.id}" + (f"?lang={visit.lang}" if visit.query("lang") else "")


def _demand(visit: LoginVisit, scan: Scan, max_age: int) -> Demand:
    """Want whoever holds the phone to be known by the very app whose code was scanned."""
    return Demand(
        scan.realm,
        Goal(Purpose.PAGE, {"return_to": _question(visit, scan)}),
        app=scan.app,
        mode=Mode.SILENT,
        max_age=max_age,
        lang=visit.lang.value,
        tapped=visit.is_tapped(),
    )


def _token(visit: LoginVisit, scan: Scan) -> str:
    """Make the token of the form, for this scan and the session of this phone."""
    session_id: SessionId | None = visit.visitor.at(scan.realm).session_id
    return form_token(session_id, f"scan/{scan.id}") if session_id is not None else ""
