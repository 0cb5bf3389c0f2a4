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


def litserve(port: int) -> None:
    """LitServe with its own batching, one worker for each core."""
    import litserve as ls

    class Api(ls.LitAPI):
        def setup(self, device: str) -> None:
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1
            self.session = onnxruntime.InferenceSession(os.environ[FILE], options)
            self.size = self.session.get_inputs()[0].shape[1]

        def decode_request(self, request: dict[str, int]) -> np.ndarray:
            draw = np.random.default_rng(request["seed"])
            return draw.standard_normal(self.size, dtype=np.float32)

        def batch(self, inputs: list[np.ndarray]) -> np.ndarray:
            return np.stack(inputs)

        def predict(self, z: np.ndarray) -> np.ndarray:
            return pixels(self.session.run(None, {"z": z})[0])

        def unbatch(self, output: np.ndarray) -> list[np.ndarray]:
            return list(output)

        def encode_response(self, output: np.ndarray) -> Response:
            return Response(as_png(output), media_type="image/png")

    api = Api(max_batch_size=16, batch_timeout=0.0)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error")


def main() -> None:
    name, file, port, *rest = sys.argv[1:]
    os.environ[FILE] = file
    if name == "litserve":
        litserve(int(port))
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
