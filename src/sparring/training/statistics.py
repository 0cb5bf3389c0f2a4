"""Figures of a tick: kept on the device while steps run, reduced once a tick."""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor

from sparring import ranks


class Statistics:
    """Named tensors kept over the steps of a tick, without any synchronization."""

    def __init__(self) -> None:
        self._kept: dict[str, list[Tensor]] = defaultdict(list)
        self._steps: dict[str, list[int]] = defaultdict(list)

    def keep(self, step: int, name: str, value: Tensor) -> None:
        """Keep a tensor of a step; the same name always has the same shape."""
        self._kept[name].append(value)
        self._steps[name].append(step)

    def unite(self) -> None:
        """Make what each of several processes has kept that of all: losses are sums of their parts,
        logits those of all samples."""
        if ranks.count() == 1:
            return
        with ranks.together():
            for name, kept in self._kept.items():
                if name.startswith("loss/"):
                    kept[:] = ranks.summed(torch.stack(kept)).unbind(0)
                elif kept[0].dim() > 0:
                    by_sample = torch.stack(kept, dim=1)
                    kept[:] = ranks.whole(by_sample).unbind(1)

    def stacked(self) -> dict[str, Tensor]:
        """Each name's values over the tick, [times kept, ...], on the CPU in float32."""
        return {name: torch.stack(kept).float().cpu() for name, kept in self._kept.items()}

    def first_nonfinite(self, stacked: dict[str, Tensor]) -> tuple[str, int] | None:
        """The name and step of the earliest value that is NaN or infinite."""
        found: tuple[str, int] | None = None
        for name, values in stacked.items():
            bad = ~values.isfinite().flatten(1).all(1) if values.dim() > 1 else ~values.isfinite()
            if bad.any():
                step = self._steps[name][int(bad.float().argmax())]
                if found is None or step < found[1]:
                    found = name, step
        return found

    def clear(self) -> None:
        self._kept.clear()
        self._steps.clear()

    def tensors(self) -> dict[str, Tensor]:
        """What is kept so far, for a checkpoint in the middle of a tick."""
        saved = {}
        for place, (name, kept) in enumerate(self._kept.items()):
            # Numbered, because a file does not keep their order and a tick is written in it.
            saved[f"{place:04}|{name}|values"] = torch.stack(kept)
            saved[f"{place:04}|{name}|steps"] = torch.tensor(self._steps[name])
        return saved

    def load(self, saved: dict[str, Tensor]) -> None:
        """Take up what a checkpoint has of all processes: this one's share of it."""
        self.clear()
        for key in sorted(saved):
            _, name, what = key.split("|")
            if what == "values":
                values = saved[key]
                if name.startswith("loss/"):
                    values = values / ranks.count()
                elif values.dim() > 1:
                    values = values[:, ranks.own(values.shape[1])]
                self._kept[name] = list(values.unbind(0))
            else:
                self._steps[name] = saved[key].tolist()
