"""How far each metric can be trusted, measured where the truth is known.

    python -m benchmarks.metrics [--quick] [--only bias interval ...]

Parts: bias (over the number of samples), interval (how often it holds the truth), two_sample (real
against real, early samples), sensitivity and sensitivity_vectors (what each metric sees of a fault
of rising strength), evaluation_speed (against torch-fidelity), evaluation_share (of the runs of all
recipes). Figures go to results/metrics.json, pictures to docs/images; a part that is run again
replaces only its own.
"""

from __future__ import annotations

from typing import Any

from benchmarks import common
from benchmarks.metrics import bias, evaluation_speed, interval, sensitivity, share, two_sample

PARTS = {
    "bias": bias.measure,
    "interval": interval.measure,
    "two_sample": two_sample.measure,
    "sensitivity": sensitivity.measure,
    "sensitivity_vectors": sensitivity.measure_vectors,
    "evaluation_speed": evaluation_speed.measure,
    "evaluation_share": share.measure,
}


def main() -> None:
    common.run_parts(__doc__, "metrics", PARTS, show)


def show(part: str, result: dict[str, Any]) -> None:
    for name, rows in result.items():
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            print(common.table(rows, f"{part}: {name}"))
    print(result["outcome"])


if __name__ == "__main__":
    main()
