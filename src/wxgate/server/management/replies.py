"""Reply policies over HTTP: who answers an account's users, and what an operator should know of it."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, Field

from wxgate.errors import BadRequest
from wxgate.events.policies import DEFAULT, Policy
from wxgate.events.replies import RepliesView
from wxgate.server.management.given import Given
from wxgate.server.management.scope import Caller, need_account, need_everything
from wxgate.server.node import Node


class PartyOut(BaseModel):
    """One of ours that receives the account's messages; `may_speak`: it has the permission set for them.

    `heard` is false of `direct` where no push has come for a week.
    """

    issuer: str
    authorized_at: datetime | None
    may_speak: bool
    heard: bool


class AdviceOut(BaseModel):
    """Something to know."""

    text: str
    text_zh: str


class RepliesOut(BaseModel):
    """How an account's messages are replied to."""

    appid: str
    source: str = Field(description="Where the policy is from: `account`, `default` or `built_in`.")
    policy: Policy
    replier: str = Field(description="Empty: the handlers; `none`; or a subscriber's id.")
    platform: str = Field(description="Which platform was chosen to answer; empty: found out.")
    default_text: str
    hold_retries: bool
    custom_message: bool
    updated_at: datetime | None
    answers: str | None = Field(description="Who answers: a platform's appid, `direct`, or nobody.")
    parties: list[PartyOut]
    mini_program: bool
    advice: list[AdviceOut]


class RepliesIn(Given):
    """What is to be different; what is left out stays as it is in force."""

    policy: Policy | None = None
    replier: str | None = Field(None, max_length=64)
    platform: str | None = Field(None, max_length=64)
    default_text: str | None = Field(None, max_length=4096)
    hold_retries: bool | None = None
    custom_message: bool | None = None


class ResetOut(BaseModel):
    """Whether there was a policy."""

    appid: str
    was_set: bool


def make_router(node: Node) -> APIRouter:
    """Make the routes."""
    router = APIRouter(tags=["replies"])

    async def need(caller: Caller, appid: str) -> None:
        """Demand a key for the account; who answers for it concerns all of its platforms."""
        if appid == DEFAULT or caller.reach.platforms:
            need_everything(caller)
        else:
            await need_account(node, caller, appid)

    @router.get("/replies")
    async def list_replies(caller: Caller) -> list[RepliesOut]:
        """List the accounts with a policy of their own; `*` is the default for all others."""
        need_everything(caller)
        set_policies = await node.replies.list_policies()
        return [replies_out(one.appid, await node.replies.show(one.appid)) for one in set_policies]

    @router.get("/accounts/{appid}/replies")
    async def show_replies(caller: Caller, appid: str) -> RepliesOut:
        """Show who replies for an account, and what to know of it; `*` is the default for all."""
        await need(caller, appid)
        return replies_out(appid, await node.replies.show(appid))

    @router.put("/accounts/{appid}/replies")
    async def set_replies(caller: Caller, appid: str, wanted: RepliesIn) -> RepliesOut:
        """Change who replies for an account, and how."""
        await need(caller, appid)
        given = wanted.model_dump(exclude_none=True)
        if not given:
            raise BadRequest(f"nothing to change is given; there are {', '.join(RepliesIn.model_fields)}")
        return replies_out(appid, await node.replies.set(appid, **given))

    @router.delete("/accounts/{appid}/replies")
    async def reset_replies(caller: Caller, appid: str) -> ResetOut:
        """Let the default hold for an account again."""
        await need(caller, appid)
        return ResetOut(appid=appid, was_set=await node.replies.reset(appid))

    return router


def replies_out(appid: str, view: RepliesView) -> RepliesOut:
    """Describe how an account is replied to."""
    policy = view.policy
    return RepliesOut(
        appid=appid,
        source=view.source,
        policy=policy.policy,
        replier=policy.replier,
        platform=policy.platform,
        default_text=policy.default_text,
        hold_retries=policy.hold_retries,
        custom_message=policy.custom_message,
        updated_at=policy.updated_at,
        answers=view.answers,
        parties=[
            PartyOut(
                issuer=one.issuer,
                authorized_at=one.authorized_at,
                may_speak=one.may_speak,
                heard=one.heard,
            )
            for one in view.parties
        ],
        mini_program=view.mini_program,
        advice=[AdviceOut(text=one.en, text_zh=one.zh) for one in view.advice],
    )
