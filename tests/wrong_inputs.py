"""Wrong inputs by area and title: what is typed and lies there, what is said, and the fix.

In `words`, @run is a finished run of `digits`, @ring one of `ring`, @classes one of `cgan`,
`copy` a copy of @ring. `files`
are made before: text, bytes, a folder, or what a function makes of the file that is there; a link
leads to where its path says, and None takes the file away. All of them end with exit code 2.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save

Content = str | bytes | None | Callable[[Path], None]


class Wrong(NamedTuple):
    words: str
    message: str
    fix: str
    files: Mapping[str, Content] = {}


def a_folder(path: Path) -> None:
    path.mkdir()


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def recipe(text: str | bytes) -> dict[str, Content]:
    return {"mine.yaml": text}


def module(name: str, *lines: str) -> dict[str, Content]:
    """A module of one's own; each row has another name, since Python keeps what it imported."""
    return {f"{name}.py": "\n".join(["from torch import nn", *lines])}


def own(kind: str, base: str, *body: str) -> list[str]:
    return [f"class {kind}({base}):", *(f"    {line}" for line in body)]


def checkpoints(content: Content) -> dict[str, Content]:
    return {f"copy/checkpoints/{name}.safetensors": content for name in ("last", "previous")}


def tensors(**metadata: Any) -> bytes:
    return save({"a": torch.zeros(1)}, {key: json.dumps(meta) for key, meta in metadata.items()})


ALIASES = "a0: &a0 {x: 1, y: 2}\n" + "\n".join(
    f"a{n}: &a{n} {{{', '.join(f'k{k}: *a{n - 1}' for k in range(10))}}}" for n in range(1, 12)
)
LONG = "x" * 300

RECIPES = {
    "a name there is not": Wrong("train digts", "no recipe `digts`", "did you mean `digits`?"),
    "a name to show": Wrong("recipes show digts", "no recipe `digts`", "`digits`"),
    "a name to copy": Wrong("recipes copy digts x.yaml", "no recipe `digts`", "`digits`"),
    "a name far too long": Wrong(f"train {LONG}", "there is no recipe", "choose one of: "),
    "a file there is not": Wrong("train no.yaml", "`no.yaml` does not exist", "check the path"),
    "a folder with its ending": Wrong(
        "train x.yaml", "`x.yaml` cannot be read: Is a directory", "copy", {"x.yaml": a_folder}
    ),
    "a folder of photographs": Wrong(
        "train photos", "`photos` is no recipe", "train --data photos", {"photos": a_folder}
    ),
    "a run": Wrong("train copy", "`copy` is no recipe", "--resume --out copy"),
    "an empty file": Wrong("train mine.yaml", "holds no keys", "recipes show", recipe("")),
    "a list": Wrong("train mine.yaml", "holds no keys", "plain keys", recipe("- a\n- b")),
    "bytes": Wrong("train mine.yaml", "cannot be read as text", "copy", recipe(b"\xff\xfe\x00s")),
    "a control character": Wrong(
        "train mine.yaml", "cannot be read as YAML", "keys", recipe("title: '\b'")
    ),
    "over 1 MB": Wrong("train mine.yaml", "over 1 MB", "a page", recipe("#" + "x" * 1_000_000)),
    "a bracket left open": Wrong(
        "train mine.yaml",
        "`mine.yaml` cannot be read as YAML: line 2: ",
        "plain keys",
        recipe("steps: [1,\n"),
    ),
    "a tab": Wrong("train mine.yaml", "as YAML: line 2", "keys", recipe("steps: 5\n\tseed: 1")),
    "a Python tag": Wrong(
        "train mine.yaml",
        "could not determine a constructor for the tag",
        "plain keys and values",
        recipe("seed: !!python/object/apply:os.system ['true']"),
    ),
    "aliases of aliases": Wrong("train mine.yaml", "than 10,000 values", "keys", recipe(ALIASES)),
    "an alias of itself": Wrong("train mine.yaml", "10,000 values", "keys", recipe("x: &a [*a]")),
    "two thousand brackets": Wrong(
        "train mine.yaml", "nested too deeply", "keys", recipe("x: " + "[" * 2_000)
    ),
    "five thousand digits": Wrong(
        "train mine.yaml", "cannot be read as YAML", "keys", recipe("steps: " + "9" * 5000)
    ),
    "a month there is not": Wrong(
        "train mine.yaml", "month must be in 1..12", "keys", recipe("title: 2024-13-45")
    ),
    "an unknown key": Wrong(
        "train mine.yaml", "`stesp`: there is no such key", "`steps`?", recipe("stesp: 5")
    ),
    "an unknown key two levels down": Wrong(
        "train mine.yaml",
        "`optimizer.generator.learning_rate`",
        "optimizer.generator.lr",
        recipe("optimizer: {generator: {learning_rate: 1}}"),
    ),
    "an unknown key in a list": Wrong(
        "train mine.yaml",
        "`penalties.0.wieght`",
        "did you mean `penalties.0.weight`?",
        recipe("penalties: [{name: r1, wieght: 3}]"),
    ),
    "a number for a key": Wrong("train mine.yaml", "`1`: there", "known keys: ", recipe("1: 2")),
    "words for a number": Wrong(
        "train mine.yaml",
        "steps='many': input should be a valid integer",
        "",
        recipe("steps: many"),
    ),
    "a fraction for a count": Wrong(
        "train mine.yaml", "steps=1.5: ", "steps=VALUE", recipe("steps: 1.5")
    ),
    "a batch of none": Wrong(
        "train mine.yaml", "batch_size=0: ", "greater than 0", recipe("batch_size: 0")
    ),
    "a word for a section": Wrong(
        "train mine.yaml", "optimizer='adam'", "generator, discriminator", recipe("optimizer: adam")
    ),
    "an empty section": Wrong("train mine.yaml", "loss=None", "name, pairing", recipe("loss:")),
    "a map for a list": Wrong(
        "train mine.yaml",
        "penalties={'name': 'r1'}",
        "=[{name: NAME}]",
        recipe("penalties: {name: r1}"),
    ),
}

OVERRIDES = {
    "no equals sign": Wrong("train ring steps", "`steps` is not an override", "steps=500"),
    "no key": Wrong("train =5", "`=5` is not an override", "key=value"),
    "an unknown section": Wrong(
        "train discrimnator.width=3", "no such key", "`discriminator.width`"
    ),
    "an unknown key": Wrong("train ring latent.sizes=3", "`latent.sizes`", "`latent.size`?"),
    "a number as key": Wrong("train ring 0=5", "`0`: there is no such key", "known keys: "),
    "a value that cannot be read as YAML": Wrong(
        "train ring 'steps=['", "cannot read the value `[`", "quote"
    ),
    "no value": Wrong("train ring steps=", "steps=None", "steps=VALUE"),
    "a place beyond the list": Wrong(
        "train ring penalties.7.weight=1", "the list has 2 entries", "from 0 on, e.g. penalties.0"
    ),
    "a place in an empty list": Wrong(
        "train ring penalties=[] penalties.0.weight=1",
        "the list has 0 entries",
        "set the whole: penalties=[",
    ),
    "a place in no list": Wrong(
        "train dcgan penalties.0.weight=1", "penalties=", "penalties=[{name: NAME}]"
    ),
    "no place in a list": Wrong("train ring penalties.weight=1", "2 entries", "penalties.0"),
    "a raised 2 as place": Wrong("train ring penalties.².weight=1", "`penalties.².weight`", ""),
    "a value below a value": Wrong("train ring steps.more=3", "steps={'more': 3}", "steps=VALUE"),
    "a word for a number": Wrong("train ring batch_size=big", "batch_size='big'", "=VALUE"),
    "a word for a list": Wrong(
        "train ring evaluation.metrics=kid", "evaluation.metrics='kid'", "evaluation.metrics=[kid]"
    ),
    "a word for a list of sections": Wrong(
        "train ring penalties=r1", "penalties='r1'", "penalties=[{name: r1}]"
    ),
    "a penalty without a name": Wrong(
        "train ring 'penalties=[{weight: 3}]'",
        "penalties.0.name: it is missing",
        "penalties.0.name=VALUE",
    ),
    "NaN": Wrong("train ring optimizer.generator.lr=.nan", "generator.lr=nan", "lr=VALUE"),
    "infinity": Wrong("train ring optimizer.generator.lr=.inf", "generator.lr=inf", "lr=VALUE"),
    "a negative rate": Wrong("train ring optimizer.generator.lr=-1", "lr=-1", "greater than 0"),
    "three betas": Wrong("train ring 'optimizer.generator.betas=[0,0,0]'", "betas", "betas=VALUE"),
    "a beta of 1": Wrong(
        "train ring 'optimizer.generator.betas=[0,1]'", "betas.1=1", "less than 1"
    ),
    "a batch beyond all measure": Wrong(
        "train ring batch_size=9999999999", "batch_size", "1048576"
    ),
    "a negative seed": Wrong("train ring seed=-1", "seed=-1", "greater than or equal to 0"),
    "a seed too large": Wrong("train ring seed=9007199254740992", "seed=", "less than"),
    "two channels": Wrong("train data.channels=2", "data.channels=2", "1 or 3"),
    "an unknown loss": Wrong("train ring loss.name=higne", "no `higne`", "did you mean `hinge`?"),
    "an unknown pairing": Wrong("train ring loss.pairing=x", "no `x`", "relativistic-average"),
    "an unknown penalty": Wrong("train ring 'penalties=[{name: r3}]'", "penalties.0.name", "`r2`?"),
    "an unknown game": Wrong("train ring game=chess", "game: there is no `chess`", "latent"),
    "an unknown network": Wrong("train generator.name=dcgn", "no `dcgn`", "did you mean `dcgan`?"),
    "an unknown option of a network": Wrong(
        "train ring generator.wdth=3", "`generator.wdth`", "did you mean `generator.width`?"
    ),
    "a bad option of a network": Wrong(
        "train ring generator.dropout=1.5", "generator.dropout=1.5", "less than 1"
    ),
    "an unknown metric": Wrong("train ring 'evaluation.metrics=[fdi]'", "no `fdi`", "`fid`?"),
    "a metric for other data": Wrong(
        "train 'evaluation.metrics=[kid, modes]'", "needs known modes", "ring"
    ),
    "a metric that needs labels": Wrong(
        "train 'evaluation.metrics=[kid, cas]'", "needs labels", "`labels`"
    ),
    "unknown features": Wrong("train ring evaluation.features=vgg", "no features `vgg`", "auto"),
    "features for other data": Wrong(
        "train ring evaluation.features=classifier", "reads grey 28x28", "features="
    ),
    "an unknown schedule": Wrong(
        "train ring optimizer.generator.schedule=sine", "schedule.name='sine'", "'cosine'"
    ),
    "a schedule to nothing": Wrong(
        "train ring optimizer.generator.schedule=exponential", "needs an end above 0", "schedule"
    ),
    "an unknown prior": Wrong("train ring latent.prior=cauchy", "latent.prior", "'uniform'"),
    "an unknown precision": Wrong("train ring precision.generator=fp8", "='fp8'", "'bf16'"),
    "an unknown device": Wrong("train ring device=tpu", "device=tpu cannot be used", "device=auto"),
    "a device that is not here": Wrong("train ring device=cuda:99", "device=cuda:99", "cpu"),
    "a device that holds nothing": Wrong("train ring device=meta", "device=meta", "device=auto"),
    "one penalty twice": Wrong(
        "train 'penalties=[{name: r1}, {name: r1}]'", "two terms called `r1`", "another name"
    ),
    "BatchNorm of one": Wrong("train mlp-mnist batch_size=1", "batch of 1", "batch_size"),
    "BatchNorm of the one left": Wrong(
        "train mlp-mnist batch_size=9 micro_batch=4", "batch of 1", "micro_batch"
    ),
    "parts of a coupled loss": Wrong(
        "train ring loss.pairing=relativistic-average micro_batch=64",
        "compares the samples of a batch",
        "leave micro_batch out",
    ),
    "a network beyond memory": Wrong(
        "train ring latent.size=1000000000000 'generator.width=[1000000000000]'",
        "generator: `mlp` cannot be made",
        "lower generator.width",
    ),
    "pictures by convolutions of numbers": Wrong(
        "train ring generator.name=dcgan", "not samples of (2,)", "generator.name=mlp"
    ),
}

LABELS = {
    "a class of a generator without": Wrong(
        "sample @run --label 7 --out x.png", "knows no classes", "leave --label out"
    ),
    "a class there is not": Wrong(
        "sample @classes --label 10 --out x.png", "no class `10`", "choose one of: 0, 1, 2"
    ),
    "a class below the first": Wrong(
        "sample @classes --label -1 --out x.npz", "no class `-1`", "choose one of: 0"
    ),
    "a class by a wrong name": Wrong(
        "sample @classes --label seven --out x", "no class `seven`", "choose one of: 0"
    ),
    "pictures without classes": Wrong(
        "train cgan --data my.npz",
        "generator.condition=embedding needs labelled data",
        "one subfolder each",
        {"my.npz": npz(samples=np.zeros((50, 1, 12, 12), np.uint8))},
    ),
    "numbers without classes": Wrong(
        "train gaussian discriminator.condition=projection", "needs labelled data", "subfolder"
    ),
    "labels for the discriminator only": Wrong(
        "train cdcgan generator.condition=none",
        "the discriminator is given labels, the generator is not",
        "generator.condition",
    ),
    "labels for the generator only": Wrong(
        "train digits generator.condition=embedding",
        "the generator is given labels, the discriminator is not",
        "discriminator.condition",
    ),
    "no classifier": Wrong(
        "train acgan discriminator.condition=projection",
        "needs an auxiliary classifier",
        "discriminator.condition=auxiliary",
    ),
    "an unknown condition": Wrong(
        "train cgan generator.condition=label", "generator.condition='label'", "'embedding'"
    ),
    "packs with labels": Wrong(
        "train cdcgan discriminator.packing=2", "have no one label", "discriminator.packing=1"
    ),
    "no gain for each class": Wrong(
        "train cdcgan generator.normalization=layer",
        "has no gain and bias for each class",
        "generator.normalization=batch",
    ),
}

OWN = {
    "no module": Wrong("train generator.name=no:No", "cannot load `no:No`", "module:attribute"),
    "no attribute": Wrong("train generator.name=math:No", "cannot load `math:No`", "attribute"),
    "an empty module": Wrong("train generator.name=:No", "cannot load `:No`", "module:attribute"),
    "a module with an error": Wrong(
        "train ring generator.name=own1:G", "SyntaxError", "module:attribute", {"own1.py": "def"}
    ),
    "a module that raises": Wrong(
        "train ring generator.name=own2:G",
        "by zero (own2.py, line 1)",
        "module",
        {"own2.py": "1 / 0"},
    ),
    "no network": Wrong("train ring generator.name=os:sep", "`os:sep` is no network", "Module"),
    "no constructor of one": Wrong(
        "train ring generator.name=os:getcwd", "`os:getcwd` cannot be made", "shape"
    ),
    "a constructor that takes nothing": Wrong(
        "train ring generator.name=own3:G",
        "`own3:G` cannot be made: TypeError",
        "latent_size, shape",
        module("own3", *own("G", "nn.Module", "def __init__(self): super().__init__()")),
    ),
    "nothing to learn": Wrong(
        "train ring discriminator.name=own4:D",
        "nothing that can learn",
        "parameters",
        module("own4", *own("D", "nn.Identity", "def __init__(self, shape): super().__init__()")),
    ),
    "samples of another shape": Wrong(
        "train ring generator.name=own5:G",
        "makes samples of shape (3,), the data are of shape (2,)",
        "view",
        module("own5", "G = lambda latent_size, shape: nn.Linear(latent_size, 3)"),
    ),
    "layers that do not fit": Wrong(
        "train ring discriminator.name=own6:D",
        "fails on inputs of shape (2, 2)",
        "shape",
        module("own6", "D = lambda shape: nn.Linear(5, 1)"),
    ),
    "no loss": Wrong("train ring loss.name=os:sep", "`os:sep` is no loss", "objectives.Loss"),
    "no penalty": Wrong("train ring 'penalties=[{name: os:sep}]'", "`os:sep`", "objectives.Term"),
    "no metric": Wrong(
        "train ring 'evaluation.metrics=[os:sep]'", "is no metric", "metrics.Metric"
    ),
}

DRAW = np.random.default_rng(0)
GREY = DRAW.integers(0, 256, (50, 1, 12, 12), np.uint8)
BROKEN = DRAW.normal(size=(50, 2))
BROKEN[7, 1] = np.nan


def data(**arrays: Any) -> dict[str, Content]:
    return {"my.npz": npz(**arrays)}


DATA = {
    "a name there is not": Wrong("train --data mnsit5k", "`mnsit5k`", "did you mean `mnist5k`?"),
    "a file there is not": Wrong(
        "train --data no.npz", "`no.npz` does not exist", "check the path"
    ),
    "a file of another kind": Wrong("train --data my.mat", "my.mat", ".npz", {"my.mat": b"MATLAB"}),
    "no archive": Wrong("train --data my.npz", "`my.npz` cannot be read", "", {"my.npz": b"none"}),
    "an empty archive": Wrong("train --data my.npz", "cannot be read", "", {"my.npz": b""}),
    "half an archive": Wrong(
        "train --data my.npz", "`my.npz`", "", {"my.npz": npz(samples=GREY)[:2000]}
    ),
    "pickled objects": Wrong(
        "train --data my.npz", "`my.npz`", "", data(samples=np.array([{}] * 50, object))
    ),
    "no samples": Wrong("train --data my.npz", "no array `samples`", "numpy", data(images=GREY)),
    "images of floats": Wrong("train --data my.npz", "float64", "uint8", data(samples=GREY / 255)),
    "four channels": Wrong(
        "train --data my.npz", "(50, 4, 12, 12)", "C 1 or 3", data(samples=GREY.repeat(4, 1))
    ),
    "NaN among numbers": Wrong("train --data my.npz", "NaN", "rows", data(samples=BROKEN)),
    "nine samples": Wrong(
        "train --data my.npz", "9 samples", "at least 10", data(samples=GREY[:9])
    ),
    "labels too few": Wrong(
        "train --data my.npz", "labels", "50 whole numbers", data(samples=GREY, labels=np.arange(9))
    ),
    "labels below 0": Wrong(
        "train --data my.npz",
        "labels",
        "whole numbers from 0",
        data(samples=GREY, labels=np.arange(50) - 2),
    ),
    "a mean of pictures": Wrong("train data.mean=3", "data.mean has no meaning", "leave data.mean"),
    "numbers for a network of pictures": Wrong("train --data ring", "not samples of", "mlp"),
}

CHECKPOINTS = {
    "no run to go on with": Wrong("train --resume --out no", "`no` holds no run", "`runs/`"),
    "which run": Wrong("train --resume", "--resume needs to know which run", "--out"),
    "go on and start at once": Wrong(
        "train --resume --out copy --init @ring", "--init starts a run", "only one"
    ),
    "both are cut short": Wrong(
        "train --resume --out copy", "no checkpoint in", "--out", checkpoints(cut_short)
    ),
    "both are empty": Wrong("train --resume --out copy", "no checkpoint in", "", checkpoints(b"")),
    "both are other tensors": Wrong(
        "train --resume --out copy", "no checkpoint of this program", "", checkpoints(tensors())
    ),
    "both are a list": Wrong(
        "train --resume --out copy",
        "no checkpoint of this program",
        "restore",
        checkpoints(tensors(sparring=[1])),
    ),
    "both are of a later format": Wrong(
        "train --resume --out copy",
        "it has format 2, this version reads 1",
        "",
        checkpoints(tensors(sparring={"format": 2, "checksum": 0})),
    ),
    "there are none": Wrong(
        "train --resume --out copy", "`copy` has no checkpoint yet", "delete", checkpoints(None)
    ),
    "another recipe": Wrong(
        "train digits --resume --out copy", "data.name: ring → mnist5k", "--allow-changes"
    ),
    "other data": Wrong(
        "train --data grid --resume --out copy", "data.name: ring → grid", "--allow-changes"
    ),
    "another seed": Wrong("train seed=3 --resume --out copy", "seed: 0 → 3", "--allow-changes"),
    "fewer steps": Wrong("train steps=5 --resume --out copy", "steps: 12 → 5", "--allow-changes"),
    "another network": Wrong(
        "train 'generator.width=[9]' --resume --out copy --allow-changes",
        "does not fit `generator`",
        "--init",
    ),
    "a broken recipe": Wrong(
        "train --resume --out copy",
        "cannot be read as YAML",
        "plain keys",
        {"copy/recipe.yaml": "steps: ["},
    ),
    "a start from nowhere": Wrong("train ring --init no --out x", "`no` holds no run", "`runs/`"),
    "a start from no best": Wrong(
        "train ring --init copy --out x",
        "best.safetensors`: it does not exist",
        "a finished run",
        {"copy/checkpoints/best.safetensors": None},
    ),
    "a start from a run of another kind": Wrong(
        "train ring --init @run --out x", "nothing of", "the same networks"
    ),
    "no model yet": Wrong(
        "sample copy --out x.png",
        "holds no model: config.json is missing",
        "--resume",
        {"copy/model/config.json": None},
    ),
    **{
        title: Wrong(
            "sample copy --out x.png", "the model in `copy/model` cannot be read", "again", files
        )
        for title, files in {
            "a description cut short": {"copy/model/config.json": "{"},
            "an empty description": {"copy/model/config.json": "{}"},
            "a description that is a list": {"copy/model/config.json": "[]"},
            "weights cut short": {"copy/model/model.safetensors": cut_short},
            "weights that are none": {"copy/model/model.safetensors": b"none"},
        }.items()
    },
    "weights of another network": Wrong(
        "sample copy --out x.png",
        "do not fit",
        "changed",
        {"copy/model/model.safetensors": tensors()},
    ),
}

A_FILE: dict[str, Content] = {"file": "in the way"}
FOLDERS = {
    "a run is there": Wrong("train ring --out copy", "`copy` holds a run already", "--resume"),
    "a file is there": Wrong(
        "train ring --out file", "a file is where a folder has to be", "another --out", A_FILE
    ),
    "below a file": Wrong(
        "train ring --out file/run", "a file is where a folder has to be", "another --out", A_FILE
    ),
    "where no folder can be": Wrong("train ring --out /proc/no", "cannot be made", "another --out"),
    "a name too long": Wrong(f"train ring --out {LONG}", "cannot be made", "another --out"),
    "runs is a file": Wrong("train ring", "`runs/ring-001` cannot be made", "--out", {"runs": ""}),
    "a picture below a file": Wrong(
        "sample @run --out file/x.png",
        "a file is where a folder has to be",
        "another place",
        A_FILE,
    ),
    "an archive below a file": Wrong(
        "sample @run --out file/x.npz",
        "a file is where a folder has to be",
        "another place",
        A_FILE,
    ),
    "pictures below a file": Wrong(
        "sample @run --out file/x", "a file is where a folder has to be", "another place", A_FILE
    ),
    "a picture where a folder is": Wrong(
        "sample @run --out x.png",
        "`x.png` cannot be written: there is a folder",
        "",
        {"x.png": a_folder},
    ),
    "a recipe over another": Wrong(
        "recipes copy ring x.yaml", "`x.yaml` exists already", "another name", {"x.yaml": ""}
    ),
    "a recipe by another name": Wrong("recipes copy ring x.txt", "not end in .yaml", "a recipe"),
    "a recipe below a file": Wrong(
        "recipes copy ring file/x.yaml", "cannot be written", "permissions", A_FILE
    ),
}

COMMANDS = {
    "an unknown command": Wrong("trian", "trian", "--help"),
    "an unknown command of a group": Wrong("recipes shw", "shw", "--help"),
    "an unknown option": Wrong("train --recipe ring", "--recipe", "--help"),
    "an option left out": Wrong("sample @run", "--out", "--help"),
    "a negative time": Wrong("train --time -1", "time", "--help"),
    "a time that is no number": Wrong("train --time nan", "time", ""),
    "samples of no run": Wrong(
        "sample . --out x.png", "`.` holds neither a run nor a model", "`runs/`"
    ),
    "samples of a file": Wrong(
        "sample file --out x.png", "`file` holds neither", "`runs/`", A_FILE
    ),
    "no samples": Wrong("sample @run --out x.png --count 0", "count", "--help"),
    "some samples": Wrong("sample @run --out x.png --count some", "count", "--help"),
    "a negative seed": Wrong("sample @run --out x.png --seed -1", "seed", "--help"),
    "a seed too large": Wrong("sample @run --out x.png --seed 9007199254740992", "seed=", "2^53"),
    "a picture of another kind": Wrong("sample @run --out x.jpg", "as `.jpg`", ".png, .npz"),
    "a grid too large": Wrong("sample @run --out x.png --count 2501", "too large", "2500"),
    "an archive too large": Wrong("sample @run --out x.npz --count 99999999", "73 GB", "--seed"),
    "a walk in an archive": Wrong("sample @run --interpolate --out x.npz", "one picture", ".png"),
    "pictures of numbers": Wrong("sample @ring --out x", "vectors, not pictures", ".npz"),
    "scores of nothing": Wrong("evaluate nowhere", "`nowhere` holds no run", "`runs/`"),
    "scores of a file": Wrong("evaluate file", "`file` holds no run", "", A_FILE),
    "scores of an archive alone": Wrong("evaluate x.npz", "compared with something", "--data"),
    "scores of no archive": Wrong("evaluate x.npz --data ring", "`x.npz` does not exist", "path"),
    "scores of two samples": Wrong("evaluate @run --samples 1", "samples", "--help"),
    "scores of too many": Wrong(
        "evaluate @run --samples 9999999", "samples=9999999 is out of range", "2 to 1000000"
    ),
    "an unknown score": Wrong("evaluate @run --metrics fdi", "there is no `fdi`", "`fid`?"),
    "no score": Wrong("evaluate @run --metrics ,", "no metric was named", "fid, kid"),
    "a score for other data": Wrong("evaluate @run --metrics modes", "known modes", "ring"),
    "a score that needs labels": Wrong("evaluate @run --metrics cas", "needs labels", "`labels`"),
    "other data": Wrong("evaluate @run --data patterns", "cannot be compared", "same size"),
    "unknown features": Wrong("evaluate @run --features vgg", "no features `vgg`", "auto"),
    "weights for no network": Wrong("evaluate @run --weights file", "take no file", "inception"),
    "no such weights": Wrong(
        "evaluate @run --features inception --weights nowhere", "`nowhere` do not exist", "path"
    ),
    "features of labels that are not there": Wrong(
        "evaluate @ring --features trained", "holds vectors", "features=samples"
    ),
    "an export of nothing": Wrong("export nowhere x.onnx", "`nowhere` holds neither", "`runs/`"),
    "an export as something else": Wrong("export @run x.pt", "does not end in .onnx", "generator"),
    "numbers as bytes": Wrong("export @ring x.onnx --uint8", "vectors, not images", "--uint8"),
    "an unknown precision": Wrong("export @ring x.onnx --quantize int4", "int4", "int8, fp16"),
    "an unknown hub's name": Wrong("sample hf:a/b/c --out x.png", "no name of a model", "hf:USER"),
    "scores of no ONNX file": Wrong("evaluate x.onnx", "`x.onnx` does not exist", "path"),
    "a comparison with no ONNX file": Wrong("compare @run x.onnx", "`x.onnx` does not", "path"),
    "scores of a broken ONNX file": Wrong(
        "evaluate x.onnx --data ring", "`x.onnx` cannot be read as ONNX", "", {"x.onnx": b"none"}
    ),
    "a report of nothing": Wrong("report nowhere", "`nowhere` holds no run", "`runs/`"),
    "a report of a file": Wrong("report file", "`file` holds no run", "`runs/`", A_FILE),
}

AREAS = {
    "recipe": RECIPES,
    "override": OVERRIDES,
    "label": LABELS,
    "one's own": OWN,
    "data": DATA,
    "checkpoint": CHECKPOINTS,
    "folder": FOLDERS,
    "command": COMMANDS,
}
WRONG = {f"{area}: {title}": row for area, rows in AREAS.items() for title, row in rows.items()}
