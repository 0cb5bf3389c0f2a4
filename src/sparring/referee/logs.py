"""Logs that another program wrote: losses over steps, under whatever names."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from sparring.errors import InputError
from sparring.referee.look import Look

Row = dict[str, float]
WINDOWS = 40  # looks that the rows of a log are put together to
STEPS = ("step", "steps", "iter", "iters", "iteration", "batch", "batches_done", "it", "epoch")
PLAYERS = {
    "discriminator": {"d", "dis", "disc", "discriminator", "critic", "c", "netd"},
    "generator": {"g", "gen", "generator", "netg"},
}
OF_LOSS = {"loss", "losses", "err", "error", "cost"}
OF_SCORE = {"real": {"real", "x"}, "fake": {"fake", "gz", "g", "z", "gz1", "generated"}}
GLUED = r"^(err|loss)(d|g)$|^(d|g)(loss|err)$"  # errD, lossG, dloss
HINT = "name a .jsonl or .csv with columns like step, d_loss, g_loss"


def read_log(path: Path) -> list[Look]:
    """The looks that a log of losses amounts to; InputError where there are none in it."""
    rows = list(_jsonl(path) if path.suffix in (".jsonl", ".json", ".ndjson") else _csv(path))
    if not rows:
        raise InputError(f"`{path}` holds no rows of numbers", HINT)
    names = list(dict.fromkeys(name for row in rows for name in row))
    losses = {player: _column(names, player) for player in PLAYERS}
    if not any(losses.values()):
        raise InputError(f"`{path}` has no column of losses, but: {', '.join(names)}", HINT)
    scores = {side: _score(names, side) for side in OF_SCORE}
    step = next((n for want in STEPS for n in names if "_".join(_words(n)) == want), None)
    numbers = _numbers(rows, step)
    size = max(1, math.ceil(len(rows) / WINDOWS))
    windows = [range(k, min(k + size, len(rows))) for k in range(0, len(rows), size)]
    return [
        _look([rows[k] for k in window], [numbers[k] for k in window], losses, scores)
        for window in windows
    ]


def _look(
    rows: Sequence[Row],
    numbers: Sequence[int],
    losses: dict[str, str | None],
    scores: dict[str, str | None],
) -> Look:
    """The means of a few rows; the first value that is no number, if there is one."""
    bad: tuple[str, int, list[str]] | None = None
    for number, row in zip(numbers, rows, strict=True):
        for column in [*losses.values(), *scores.values()]:
            if bad is None and column in row and not math.isfinite(row[column]):
                bad = (column, number, [])
    found = {side: _mean(rows, column) for side, column in scores.items()}
    real, fake = found["real"], found["fake"]
    # Scores are probabilities where they are between 0 and 1; logits otherwise.
    as_shares = (
        real is not None and fake is not None and 0 <= min(real, fake) <= max(real, fake) <= 1
    )
    return Look(
        numbers[-1],
        0,
        nonfinite=bad,
        losses={p: m for p, column in losses.items() if (m := _mean(rows, column)) is not None},
        score_gap=real - fake if as_shares and real is not None and fake is not None else None,
    )


def _mean(rows: Sequence[Row], column: str | None) -> float | None:
    known = [row[column] for row in rows if column in row and math.isfinite(row[column])]
    return math.fsum(known) / len(known) if known else None


def _jsonl(path: Path) -> Iterator[Row]:
    """Objects one a line, or one list of them; other lines are skipped, nested ones flattened."""
    text = path.read_text(errors="replace")
    try:
        whole = json.loads(text)
        records = whole if isinstance(whole, list) else [whole]
    except ValueError:
        records = []
        for line in text.splitlines():
            try:
                records.append(json.loads(line))
            except ValueError:
                continue
    for record in records:
        if isinstance(record, dict):
            row = {
                str(key): number
                for key, value in record.items()
                if (number := _number(value)) is not None
            }
            if row:
                yield row


def _csv(path: Path) -> Iterator[Row]:
    """Rows under a header, separated by commas, semicolons, tabs or blanks."""
    text = path.read_text(errors="replace")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return
    separator = next((one for one in (",", ";", "\t") if one in lines[0]), " ")
    for record in csv.DictReader(lines, delimiter=separator, skipinitialspace=True):
        row = {
            key.strip(): number
            for key, value in record.items()
            if isinstance(key, str) and (number := _number(value)) is not None
        }
        if row:
            yield row


def _number(value: object) -> float | None:
    if value is None or isinstance(value, bool | list | dict):
        return None
    try:
        return float(str(value))
    except ValueError:
        return None


def _words(name: str) -> list[str]:
    """The words of a column's name, in small letters: D(G(z)) is d, g, z; errD is err, d."""
    glued = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", glued) if word]
    parts: list[str] = []
    for word in words:
        found = re.match(GLUED, word)
        parts += [part for part in found.groups() if part] if found else [word]
    return parts


def _column(names: Sequence[str], player: str) -> str | None:
    """The column of a player's loss; of several the shortest name, which is the whole."""
    fitting = [
        name
        for name in names
        if set(_words(name)) & PLAYERS[player] and set(_words(name)) & OF_LOSS
    ]
    return min(fitting, key=len, default=None)


def _score(names: Sequence[str], side: str) -> str | None:
    """The column of the discriminator's mean score of a side: D(x), d_real, score/fake."""
    for name in names:
        words = _words(name)
        says = {"score", "prob", "out", "output"} & set(words)
        if set(words) & OF_LOSS or set(words) & {"acc", "accuracy"}:
            continue
        if (
            words
            and (words[0] == "d" or says)
            and set(words[1:] if words[0] == "d" else words) & OF_SCORE[side]
        ):
            if side == "real" and {"g", "fake"} & set(words[1:]):
                continue
            return name
    return None


def _numbers(rows: Sequence[Row], step: str | None) -> list[int]:
    """The step of each row; their places where there is none, or it starts again (of an epoch)."""
    found = [int(row[step]) if step in row and math.isfinite(row[step]) else -1 for row in rows]
    rising = all(a < b for a, b in pairwise(found))
    return found if step is not None and rising and found[0] >= 0 else list(range(1, len(rows) + 1))
