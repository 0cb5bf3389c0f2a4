"""What is served: runs, model folders and ONNX files, each as the bytes of an ONNX file."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sparring.data.known import cache_home
from sparring.errors import InputError
from sparring.hub import PREFIX, fetch
from sparring.model import Model, is_model, read_model
from sparring.networks.styles import has_styles
from sparring.onnx_export import export_onnx, version_of
from sparring.onnx_generator import OnnxGenerator
from sparring.run import RunFolder
from sparring.version import __version__

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
VERSION = re.compile(r"[0-9a-f]{8,64}")


class Source(NamedTuple):
    """A generator to serve: `version` is the hash of its contents, `run` the run it is from."""

    name: str
    version: str
    content: bytes
    run: RunFolder | None = None


def open_source(what: str) -> Source:
    """The generator at a path, or at PATH of `NAME=PATH`; InputError where there is none."""
    name, path = _named(what)
    if path.startswith(PREFIX):
        return _of_folder(name, fetch(path.removeprefix(PREFIX)), None)
    folder = RunFolder(path)
    if folder.path.suffix == ".onnx":
        return _of_file(name, folder.path)
    if folder.exists:
        return _of_folder(name, folder.model, folder)
    if is_model(folder.path):
        above = RunFolder(folder.path.resolve().parent)
        return _of_folder(name, folder.path, above if above.exists else None)
    raise InputError(
        f"`{path}` holds nothing to serve", "give a run, a model folder or an .onnx file"
    )


def _named(what: str) -> tuple[str, str]:
    """Name and path: the name is given, or that of the folder or file."""
    given, equals, path = what.partition("=")
    if equals and not Path(what).exists():
        if not NAME.fullmatch(given):
            raise InputError(
                f"`{given}` cannot be the name of a model",
                "use up to 64 letters, digits, dots, hyphens and underscores",
            )
        return given, path
    place = Path(what.removeprefix(PREFIX))
    place = place if what.startswith(PREFIX) else place.resolve()
    if place.name == "model" and RunFolder(place.parent).exists:
        place = place.parent
    stem = place.stem if place.suffix == ".onnx" else place.name
    name = re.sub(r"[^A-Za-z0-9._-]", "-", stem).lstrip("._-")[:64]
    return name or "model", what


def _of_file(name: str, path: Path) -> Source:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"`{path}` cannot be read: {error.strerror}", "check the path") from None
    known = str(OnnxGenerator(content, path.name).metadata.get("version"))
    if not VERSION.fullmatch(known):  # a file of another program
        known = hashlib.blake2b(content, digest_size=8).hexdigest()
    return Source(name, known, content)


def _of_folder(name: str, folder: Path, run: RunFolder | None) -> Source:
    """A model folder, exported once for each version: that takes seconds, so it is kept."""
    model = read_model(folder)
    version = version_of(model)
    path = cache_home() / "serving" / f"{version}-{__version__}.onnx"
    return Source(name, version, _kept(path, version) or _exported(model, path), run)


def _kept(path: Path, version: str) -> bytes | None:
    with suppress(OSError, InputError):  # missing or damaged: it is exported again
        content = path.read_bytes()
        if OnnxGenerator(content, path.name).metadata.get("version") == version:
            return content
    return None


def _exported(model: Model, path: Path) -> bytes:
    # In floats: only of those can it be seen whether all batch sizes give the same bits.
    export_onnx(
        model, path, truncation=model.latent.prior == "normal" or has_styles(model.generator)
    )
    return path.read_bytes()
