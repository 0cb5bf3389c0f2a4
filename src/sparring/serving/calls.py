"""The calls but that for images, with FastAPI; their errors have the shape of all others."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse

from sparring.serving.access import Access, Rates
from sparring.serving.batches import count_of, make_batch
from sparring.serving.explorer import explorer
from sparring.serving.query import response
from sparring.serving.refusal import Refusal, busy, out_of_range
from sparring.serving.schema import FAILURES, Batch, Served, image_call
from sparring.serving.studio import Studio
from sparring.serving.telemetry import prometheus_text
from sparring.version import __version__

CODES = {404: "not_found", 405: "method"}
ABOUT = 'Images of generators. Every error is `{"error": {"code", "message"}}`.'
BATCH: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {"application/zip": {}, "application/octet-stream": {}},
        "description": "SEED.png for each in a zip, or `samples`, `labels` and `seeds` in an npz",
    }
}


def make_calls(studio: Studio, access: Access, rates: Rates) -> FastAPI:
    """The application behind the gate."""
    calls = FastAPI(
        title="Sparring",
        version=__version__,
        description=ABOUT,
        docs_url=None,  # those pages load scripts from another host
        redoc_url=None,
    )
    _failures(calls)

    @calls.get("/healthz", summary="Whether the process is alive")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @calls.get("/readyz", summary="Whether the models are warm", responses=_only(503))
    async def readyz() -> dict[str, str]:
        if not studio.ready or studio.leaving:
            raise busy("the process is about to end" if studio.leaving else "not warm yet")
        return {"status": "ready"}

    @calls.get(
        "/metrics",
        summary="Figures for Prometheus",
        response_class=PlainTextResponse,
        responses=_only(401, 429),
    )
    def metrics() -> Response:
        return Response(prometheus_text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @calls.get("/v1/models", summary="All versions, with their scores", responses=_only(401, 429))
    async def models() -> list[Served]:
        return [
            Served(
                **version.described,
                current=studio.shelf.is_current(version),
                warnings=version.warnings,
            )
            for version in studio.shelf.versions
        ]

    @calls.post(
        "/v1/models/{ref}/generate",
        summary="A batch of samples",
        response_class=Response,
        responses={**FAILURES, **BATCH},
    )
    async def generate(ref: str, batch: Batch, request: Request) -> Response:
        version = studio.shelf.find(ref)
        count = count_of(batch, studio.settings.most_samples)
        rates.take(request.scope, request.state.headers, count - 1)  # the gate took one
        return response(await make_batch(studio, version, batch, count))

    calls.include_router(explorer(studio, access, rates))
    schema = calls.openapi()
    schema["paths"]["/v1/models/{ref}/images/{seed}.png"] = image_call()
    return calls


def _only(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: FAILURES[status] for status in statuses}


def _failures(calls: FastAPI) -> None:
    """One shape for every error, whoever raises it."""

    @calls.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> Response:
        return response(error.answer())

    @calls.exception_handler(HTTPException)
    async def failed(request: Request, error: HTTPException) -> Response:
        if error.status_code == 400:  # a body that cannot be read at all
            return response(out_of_range("the body is no JSON").answer())
        code = CODES.get(error.status_code, "failed")
        heads = [(k.lower().encode(), v.encode()) for k, v in (error.headers or {}).items()]
        told = {404: "there is no such call", 405: f"{request.method} is not for this call"}
        message = told.get(error.status_code, str(error.detail))
        return response(Refusal(error.status_code, code, message, heads).answer())

    @calls.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        message = f"{where}: {first['msg']}" if where else first["msg"]
        return response(Refusal(422, "out_of_range", message[:500]).answer())
