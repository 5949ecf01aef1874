"""The OpenAPI document, with refusals and keys as they really are."""

from typing import Any

from fastapi import FastAPI

REFUSAL = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string", "description": "A stable word for programs."},
                "message": {"type": "string"},
                "message_zh": {"type": "string"},
                "hint": {"type": "string", "description": "What to do."},
            },
            "additionalProperties": True,
        }
    },
}

REFUSED = {
    "description": "Refused; `error.code` says why, and Retry-After when another try makes sense.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}},
}


def described(app: FastAPI) -> dict[str, Any]:
    """Describe an application: every route may refuse in one shape, and takes an API key."""
    document = FastAPI.openapi(app)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Refusal"] = REFUSAL
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}]
    for routes in document["paths"].values():
        for route in routes.values():
            route["responses"].pop("422", None)
            route["responses"] |= {"4XX": REFUSED, "5XX": REFUSED}
    return document
