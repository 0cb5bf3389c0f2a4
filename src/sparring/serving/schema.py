"""What calls take and give, as OpenAPI tells it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sparring.serving.address import MOST_SEED

Seed = Annotated[int, Field(ge=0, le=MOST_SEED, strict=True)]
Label = Annotated[str, Field(max_length=200)] | Annotated[int, Field(ge=0, strict=True)]
Truncation = Annotated[float, Field(ge=0, le=1, strict=True)]


class Batch(BaseModel):
    """A batch: `seeds`, or a `count` of new ones; `labels`: one for all, or one for each."""

    model_config = ConfigDict(extra="forbid")

    seeds: Annotated[list[Seed], Field(min_length=1)] | None = None
    count: Annotated[int, Field(ge=1, strict=True)] | None = None
    labels: Label | list[Label] | None = None
    truncation: Truncation = 1.0
    format: Literal["png", "npz"] = "png"


class Problem(BaseModel):
    code: str
    message: str


class Failure(BaseModel):
    """Every answer that is no success."""

    error: Problem


class Served(BaseModel):
    """A version; `scores` are records as `sparring evaluate` gives them."""

    name: str
    version: str
    current: bool
    latent_size: int
    prior: str
    shape: list[int]
    images: bool
    classes: list[str]
    truncation: bool
    data: str | None
    licence: str | None
    step: int | None
    scores: dict[str, Any]
    verdict: str
    findings: list[dict[str, Any]]
    warnings: list[str]


class Direction(BaseModel):
    """`share`: of what the first layer makes of latents, how much goes along this direction."""

    number: int
    share: float


class Near(BaseModel):
    """A training image as PNG in base64; `distance`: root mean square difference of grey levels."""

    distance: float
    png: str


class Nearest(BaseModel):
    compared: int
    neighbours: list[Near]


WHEN = {
    401: "Without the token, where one is set",
    403: "Refused by moderation",
    404: "No such model, version or call",
    405: "Another method is meant",
    413: "Too large",
    422: "A seed, label, truncation or count that is out of range or not a number",
    429: "Over the limit of a client",
    503: "Too much to do; see Retry-After",
}
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": words} for status, words in WHEN.items()
}
PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "A PNG file"},
    304: {"description": "The client has it already"},
}


def image_call() -> dict[str, Any]:
    """The call for images, which the gate answers itself."""
    failure = {"$ref": "#/components/schemas/Failure"}
    answers: dict[str, Any] = {
        str(status): {
            "description": words,
            "content": {"application/json": {"schema": failure}},
        }
        for status, words in WHEN.items()
    }
    answers |= {str(status): dict(answer) for status, answer in PNG.items()}
    path = [
        {"name": "ref", "description": "NAME or NAME@VERSION", "schema": {"type": "string"}},
        {
            "name": "seed",
            "schema": {"type": "integer", "minimum": 0, "maximum": MOST_SEED},
        },
    ]
    query = [
        {"name": "label", "schema": {"type": "string"}},
        {"name": "truncation", "schema": {"type": "number", "minimum": 0, "maximum": 1}},
    ]
    return {
        "get": {
            "operationId": "image",
            "summary": "The image of a seed, the same bytes for ever",
            "parameters": [
                *({**one, "in": "path", "required": True} for one in path),
                *({**one, "in": "query"} for one in query),
            ],
            "responses": answers,
        }
    }
