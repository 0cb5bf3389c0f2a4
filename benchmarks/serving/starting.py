"""The service in a process that has everything imported: it prints the clock, then serves.

python -m benchmarks.serving.starting WHAT PORT WORKERS
"""

from __future__ import annotations

import sys
import time


def main() -> None:
    # These are what a process imports; importing is not counted.
    from onnxscript import onnx_opset  # noqa: F401

    from sparring.serving import process, worker  # noqa: F401
    from sparring.serving.settings import Settings

    what, port, workers = sys.argv[1:]
    settings = Settings(port=int(port), workers=int(workers))
    print(time.perf_counter(), flush=True)  # the same clock in all processes
    process.serve([what], settings, lambda address, models: None)


if __name__ == "__main__":
    main()
