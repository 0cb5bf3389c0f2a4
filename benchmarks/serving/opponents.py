"""The same ONNX file behind what one writes in ten minutes, behind LitServe, and behind nothing.

python -m benchmarks.serving.opponents naive FILE PORT [WORKERS]
python -m benchmarks.serving.opponents bare FILE PORT [WORKERS]
python -m benchmarks.serving.opponents litserve FILE PORT
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any

import numpy as np
import onnxruntime
from fastapi import FastAPI, Response
from PIL import Image

FILE = "SPARRING_BENCHMARK_FILE"


def drawn(session: Any, seed: int, count: int = 1) -> np.ndarray:
    """Images [N, C, H, W] of a seed, as NumPy draws them."""
    size = session.get_inputs()[0].shape[1]
    z = np.random.default_rng(seed).standard_normal((count, size), dtype=np.float32)
    return pixels(session.run(None, {"z": z})[0])


def pixels(samples: np.ndarray) -> np.ndarray:
    return ((samples + 1) * 127.5).round().clip(0, 255).astype(np.uint8)


def as_png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def naive() -> FastAPI:
    """A FastAPI endpoint around a session, as tutorials have it."""
    app, session = FastAPI(), onnxruntime.InferenceSession(os.environ[FILE])

    @app.get("/images/{seed}.png")
    def image(seed: int) -> Response:
        return Response(as_png(drawn(session, seed)[0]), media_type="image/png")

    @app.get("/health")
    def health() -> str:
        return "ok"

    return app


def bare() -> Any:
    """An ASGI function without a framework, checks, figures or a log: the least one can do."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(os.environ[FILE], options)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        name = scope["path"].rpartition("/")[2]
        body = as_png(drawn(session, int(name[:-4]))[0]) if name.endswith(".png") else b"ok"
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": body})

    return app


def main() -> None:
    name, file, port, *rest = sys.argv[1:]
    os.environ[FILE] = file
    if name == "litserve":
        from benchmarks.serving import lit

        lit.serve(int(port))
        return
    import uvicorn

    uvicorn.run(
        f"benchmarks.serving.opponents:{name}",
        factory=True,
        port=int(port),
        workers=int(rest[0]) if rest else 1,
        log_level="error",
    )


if __name__ == "__main__":
    main()
