"""What requests are made of."""

from pydantic import BaseModel, ConfigDict


class Given(BaseModel):
    """A body of a request; a field nobody knows is a mistake, and is named."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
