"""The ONNX file behind LitServe; its workers are spawned, so the class has to be in a module."""

from __future__ import annotations

import os
from typing import Any

import litserve
import numpy as np
import onnxruntime
from fastapi import Response

from benchmarks.serving.opponents import FILE, as_png, pixels


class Api(litserve.LitAPI):  # type: ignore[misc]
    """Batches as LitServe makes them."""

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

    def encode_response(self, output: np.ndarray) -> Any:
        return Response(as_png(output), media_type="image/png")


def serve(port: int) -> None:
    """One worker for each core."""
    api = Api(max_batch_size=16, batch_timeout=0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=port, generate_client_file=False, log_level="error")
