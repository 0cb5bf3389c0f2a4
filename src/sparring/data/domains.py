"""Image-to-image sets: folders A and B, pictures side by side, or inputs made of the images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from sparring.data import maps
from sparring.data.dataset import MAX_HELD_OUT, SPLITS, Dataset, digest_of, split_by_draw
from sparring.data.decode import Half, measure
from sparring.data.images import EXAMPLES, FEWEST, MEASURED, open_images
from sparring.data.source import Source, find_images, read_file
from sparring.errors import InputError
from sparring.recipe import Data

# What published sets call a domain's folders, and to which split its files belong.
FOLDERS = {
    domain: {f"{part}{domain}": held for part, held in
             (("", ""), ("train", ""), ("val", "select"), ("test", "test"))}
    for domain in "AB"
}  # fmt: skip
HELD_OUT = {"val": "select", "test": "test"}  # folders of pictures side by side
APART = 1.02  # ratio of proportions from which two pictures do not lie on each other
ROWS = 1000


def has_domains(path: Path) -> bool:
    """Whether a folder or zip holds folders of both domains."""
    if not path.is_dir() and path.suffix != ".zip":
        return False
    tops = {_place(name)[0] for name in find_images(path).files}
    return all(tops & FOLDERS[domain].keys() for domain in "AB")


def open_domains(path: Path, data: Data, paired: bool) -> Dataset:
    """What folders A hold, made into what folders B hold; partners have the same name."""
    whole = find_images(path)
    target = open_images(path, data, _of(whole, FOLDERS["B"]))
    source = open_images(path, _inputs(data, target, paired), _of(whole, FOLDERS["A"]))
    if not paired and source.shape[0] != target.shape[0]:
        # Domains that are translated to and fro have the same channels.
        both = data.model_copy(update={"size": target.shape[1], "channels": 3})
        source, target = (open_images(path, both, _of(whole, FOLDERS[k])) for k in "AB")
    notes = [*(f"B: {note}" for note in target.notes), *(f"A: {note}" for note in source.notes)]
    if not paired:
        of_a = _splits(_held(source.files, FOLDERS["A"]))
        of_b = _splits(_held(target.files, FOLDERS["B"]))
        return _joined(path.stem, source, target, of_a, of_b, (), notes)
    places: tuple[dict[str, int], ...] = tuple(
        {_partner(name): place for place, name in enumerate(one.files)} for one in (source, target)
    )
    names = sorted(places[0].keys() & places[1].keys())
    alone = len(source.files) + len(target.files) - 2 * len(names)
    if len(names) < FEWEST:
        raise InputError(
            f"`{path}` holds {len(names)} pairs of images",
            f"a pair has the same name in A and in B, and at least {FEWEST} are needed",
        )
    notes += [f"{alone:,} images without a partner of the same name left out"] if alone else []
    held = _held([target.files[places[1][name]] for name in names], FOLDERS["B"])
    chosen = _splits(held)
    ends = [torch.tensor([of[name] for name in names]) for of in places]
    pairs = [(source.files[places[0][name]], target.files[places[1][name]]) for name in names]
    notes += _apart(path, pairs)
    of_a, of_b = ({name: end[chosen[name]] for name in SPLITS} for end in ends)
    return _joined(path.stem, source, target, of_a, of_b, SPLITS, notes)


def _inputs(data: Data, target: Dataset, paired: bool) -> Data:
    """How inputs are read: at the size of the images; pairs in the channels that they have."""
    channels = None if paired else data.channels
    return data.model_copy(update={"size": target.shape[1], "channels": channels})


def open_halves(path: Path, data: Data) -> Dataset:
    """Pictures side by side: the half that `data.inputs` names is made into the other."""
    if not path.is_dir() and path.suffix != ".zip":
        raise InputError(
            f"data.inputs={data.inputs}: `{data.name}` is no folder or zip of images",
            "name one whose files hold two pictures side by side",
        )
    whole = find_images(path)
    halves: tuple[Half, Half] = ("left", "right") if data.inputs == "left" else ("right", "left")
    target = open_images(path, data, whole, halves[1])
    source = open_images(path, _inputs(data, target, paired=True), whole, halves[0])
    split = _splits(_held(target.files, HELD_OUT))
    return _joined(path.stem, source, target, split, split, SPLITS, list(target.notes))


def with_inputs(dataset: Dataset, data: Data) -> Dataset:
    """The images with inputs made of them: paired, or of other images than they are."""
    name = data.inputs
    assert name is not None
    if not dataset.is_images:
        raise InputError(
            f"data.inputs={name}: data `{data.name}` holds vectors", "choose data of images"
        )
    if name in ("pairs", "unpaired"):
        raise InputError(
            f"data.inputs={name}: `{data.name}` has no folders A and B",
            "give a folder with subfolders A and B (or trainA and trainB), or of pictures side by "
            "side with data.inputs=left",
        )
    if name == "small":
        _check_factor(dataset, data.factor)
    if name in maps.UNPAIRED:
        return _unpaired(dataset, name)
    made = [
        maps.edges(part) if name == "edges" else maps.small(part, data.factor)
        for part in dataset.values.split(ROWS)
    ]
    source = replace(dataset, values=torch.cat(made), labels=None, classes=(), modes=None)
    source = replace(
        source, mapped=None, content=digest_of(name, str(data.factor), dataset.fingerprint)
    )
    told = {"edges": "the edges of the images", "small": f"the images at 1/{data.factor}"}[name]
    return replace(
        dataset,
        source=source,
        pairs=SPLITS,
        description=f"{dataset.description or dataset.name}, made of {told}",
        notes=(*dataset.notes, f"inputs: {told}"),
        content=digest_of("made of", source.content),
    )


def _check_factor(dataset: Dataset, factor: int) -> None:
    size = dataset.shape[1]
    if size % factor or size // factor < 4:
        better = max(4 * factor, round(size / factor) * factor)
        raise InputError(
            f"images of {size} pixels have no small versions at 1/{factor}",
            f"set data.size={better}, or a smaller data.factor",
        )


def _unpaired(dataset: Dataset, name: str) -> Dataset:
    """The first half of the training images as they are, the other half changed.

    No image is in both domains, so that no pair is ever shown; those held out are in both, since
    there the truth is to be known.
    """
    change = maps.UNPAIRED[name]
    values = torch.cat([change(part) for part in dataset.values.split(ROWS)])
    plain = dataset.values.expand(-1, values.shape[1], -1, -1)
    first, second = dataset.splits["train"].tensor_split(2)
    if len(second) < 2:
        raise InputError(
            f"data `{dataset.name}` has too few images for two domains", "give at least 10"
        )
    source = replace(
        dataset,
        values=plain,
        splits=dataset.splits | {"train": first},
        content=digest_of("first half", str(values.shape[1]), dataset.fingerprint),
    )
    return replace(
        dataset,
        values=values,
        splits=dataset.splits | {"train": second},
        source=source,
        pairs=("select", "test"),
        modes=None,
        mapped=None,
        description=f"{dataset.description or dataset.name}, {name}; made of others as they are",
        notes=(*dataset.notes, f"A: half of the images; B: the other half, {name}"),
        content=digest_of(name, dataset.fingerprint),
    )


def _joined(
    name: str,
    source: Dataset,
    target: Dataset,
    source_splits: dict[str, Tensor],
    splits: dict[str, Tensor],
    pairs: tuple[str, ...],
    notes: Sequence[str],
) -> Dataset:
    """Two domains as one data set."""
    places = [repr(one[k].tolist()) for one in (source_splits, splits) for k in SPLITS]
    inputs = replace(source, splits=source_splits, labels=None, classes=())
    return Dataset(
        name,
        target.values,
        splits,
        description=f"{len(target.values):,} images of {name}, made of {len(source.values):,}",
        notes=tuple(notes),
        content=digest_of(source.fingerprint, target.fingerprint, *places),
        mapped=target.mapped,
        source=replace(inputs, content=digest_of(source.fingerprint, *places)),
        pairs=pairs,
        files=target.files,
    )


def _place(name: str) -> tuple[str, str]:
    """The folder of a domain or split that a file is in, and its path from there on.

    Outer folders are passed over, as a zip has one around everything.
    """
    known = {folder for folders in FOLDERS.values() for folder in folders} | HELD_OUT.keys()
    parts = PurePosixPath(name).parts
    for depth, part in enumerate(parts[:-1]):
        if part in known or part == "train":
            return part, "/".join(parts[depth + 1 :])
    return "", name


def _of(source: Source, folders: dict[str, str]) -> Source:
    """The files of some folders."""
    kept = [place for place, name in enumerate(source.files) if _place(name)[0] in folders]
    files = tuple(source.files[place] for place in kept)
    return Source(source.path, files, tuple(source.stamps[place] for place in kept), 0)


def _partner(name: str) -> str:
    """What a file has in common with its partner: its part of the set and its name."""
    folder, rest = _place(name)
    return f"{folder[:-1]}/{PurePosixPath(rest).with_suffix('')}"


def _held(files: Sequence[str], folders: dict[str, str]) -> list[str]:
    """The split that a published set puts each file into; "" where it does not say."""
    return [folders.get(_place(name)[0], "") for name in files]


def _splits(held: list[str]) -> dict[str, Tensor]:
    """The published splits, as far as there are any; the rest is drawn."""
    place = torch.arange(len(held))
    of = {name: place[torch.tensor([one == name for one in held])] for name in ("select", "test")}
    free = place[torch.tensor([one == "" for one in held])]
    if len(free) < FEWEST:
        raise InputError(
            f"{len(free)} images are there to be trained on", f"at least {FEWEST} are needed"
        )
    if len(of["test"]) < 2:
        drawn = split_by_draw(len(free))
        return {name: free[drawn[name]] for name in SPLITS}
    if len(of["select"]) < 2:
        order = torch.randperm(len(free), generator=torch.Generator().manual_seed(0))
        part = max(2, min(len(free) // 10, MAX_HELD_OUT))
        of["select"], free = free[order[:part]], free[order[part:].sort().values]
    return of | {"train": free}


def _apart(path: Path, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """A note on pairs of different proportions, which do not lie on each other once cut."""
    found: list[str] = []
    looked = pairs[:: max(1, len(pairs) // MEASURED)]
    for pair in looked:
        sizes = [measure(read_file(path, name) or b"") for name in pair]
        if all(sizes):
            a, b = (size[0] / size[1] for size in sizes if size)
            found += [pair[1]] if max(a, b) > APART * min(a, b) else []
    if not found:
        return []
    shown = ", ".join(found[:EXAMPLES]) + (", …" if len(found) > EXAMPLES else "")
    return [
        f"{len(found):,} of {len(looked):,} pairs differ in their proportions ({shown}): of each "
        "the middle is cut out, which does not lie on the other"
    ]
