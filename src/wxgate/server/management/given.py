"""What requests are made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator

MOST_ID = 2**63 - 1
"""The largest number of a row that a database can hold."""


class Given(BaseModel):
    """A body of a request; a field nobody knows is a mistake, and is named."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _check_text(cls, given: Any) -> Any:
        """Refuse text that JSON can write and nothing else can: half of a surrogate pair."""
        if _has_half_pair(given):
            raise ValueError("there is half of a surrogate pair in it, which is no character")
        return given


def _has_half_pair(given: Any) -> bool:
    match given:
        case str():
            return any("\ud800" <= char <= "\udfff" for char in given)
        case dict():
            return any(_has_half_pair(each) for pair in given.items() for each in pair)
        case list() | tuple():
            return any(_has_half_pair(each) for each in given)
        case _:
            return False
