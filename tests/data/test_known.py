"""Data sets by name: small files in the true formats, on the machine or on a real server."""

import gzip
import hashlib
import struct
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from torchvision import datasets

import sparring
from sparring.data import known, open_data
from sparring.errors import InputError
from sparring.recipe import Data

RNG = np.random.default_rng(0)
IMAGES = {"train": RNG.integers(0, 256, (60, 28, 28)), "t10k": RNG.integers(0, 256, (20, 28, 28))}
LABELS = {name: np.arange(len(images)) % 10 for name, images in IMAGES.items()}


def idx(array: np.ndarray) -> bytes:
    sizes = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def idx_files() -> dict[str, bytes]:
    """The four files of a set like MNIST, gzipped."""
    files = {}
    for part in IMAGES:
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(IMAGES[part]), mtime=0)
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(LABELS[part]), mtime=0)
    return files


def cifar_files(count: int = 20) -> dict[str, bytes]:
    """The six binary files of CIFAR-10: a label byte and three planes each record."""
    files = {}
    for name in known.CIFAR_FILES:
        records = RNG.integers(0, 256, (count, 3073))
        records[:, 0] = np.arange(count) % 10
        files[name] = records.astype(np.uint8).tobytes()
    return files


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARRING_DATA", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server on loopback and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/", folder
        running.shutdown()


def put(folder: Path, files: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("unpacked", [False, True])
@pytest.mark.parametrize("place", ["home/MNIST/raw", "home/mnist", "data/MNIST/raw"])
def test_mnist_from_files(tmp_path: Path, place: str, unpacked: bool) -> None:
    files = idx_files()
    if unpacked:
        files = {name[:-3]: gzip.decompress(content) for name, content in files.items()}
    put(tmp_path / place, files)
    dataset = open_data(Data(name="mnist"))
    assert dataset.shape == (1, 28, 28)
    assert np.array_equal(dataset.values[:60, 0], IMAGES["train"])
    assert np.array_equal(dataset.split("test")[:, 0], IMAGES["t10k"])
    assert dataset.splits["train"].tolist() == list(range(54))
    assert dataset.splits["select"].tolist() == list(range(54, 60))
    assert dataset.labels is not None
    assert dataset.labels[60:].tolist() == LABELS["t10k"].tolist()


def test_mnist_is_downloaded(
    server: tuple[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    put(folder, idx_files())
    sums = [(name, hashlib.md5(content).hexdigest()) for name, content in idx_files().items()]
    monkeypatch.setattr(datasets.MNIST, "mirrors", [address])
    monkeypatch.setattr(datasets.MNIST, "resources", sums)
    dataset = open_data(Data(name="mnist"))
    assert np.array_equal(dataset.values[60:, 0], IMAGES["t10k"])
    assert (home / "MNIST" / "raw").is_dir()


def test_cifar10_is_downloaded(
    server: tuple[str, Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    files, buffer = cifar_files(), BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{known.CIFAR_FOLDER}/{name}")
            entry.size = len(content)
            archive.addfile(entry, BytesIO(content))
    put(folder, {"cifar-10-binary.tar.gz": buffer.getvalue()})
    monkeypatch.setattr(known, "CIFAR_URL", address + "cifar-10-binary.tar.gz")
    monkeypatch.setattr(known, "CIFAR_MD5", hashlib.md5(buffer.getvalue()).hexdigest())
    dataset = open_data(Data(name="cifar10"))
    assert dataset.shape == (3, 32, 32)
    first = np.frombuffer(files["data_batch_1.bin"], np.uint8)[1:3073].reshape(3, 32, 32)
    assert np.array_equal(dataset.values[0], first)
    assert len(dataset.split("test")) == 20
    assert dataset.classes[int(dataset.labels[1])] == "automobile"  # type: ignore[index]


def test_a_wrong_download_is_refused(
    server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, folder = server
    put(folder, {"cifar-10-binary.tar.gz": b"something else"})
    monkeypatch.setattr(known, "CIFAR_URL", address + "cifar-10-binary.tar.gz")
    with pytest.raises(InputError, match="cannot be downloaded") as caught:
        open_data(Data(name="cifar10"))
    assert "data_batch_1.bin" in caught.value.hint


@pytest.mark.parametrize(("name", "file"), [("mnist", "train-images"), ("cifar10", "test_batch")])
def test_offline_the_message_names_files_and_folder(
    name: str, file: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = "http://127.0.0.1:9/"  # the discard port: nothing listens
    monkeypatch.setattr(datasets.MNIST, "mirrors", [nowhere])
    monkeypatch.setattr(known, "CIFAR_URL", nowhere + "cifar-10-binary.tar.gz")
    with pytest.raises(InputError, match=f"`{name}` is not on this machine") as caught:
        open_data(Data(name=name))
    assert file in caught.value.hint
    assert str(home) in caught.value.hint


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "does not start"),
        (idx(IMAGES["train"])[:1000], "promises 47040 values"),
        (b"<html>not found</html>", "does not start"),
    ],
)
def test_damaged_idx_files(home: Path, content: bytes, word: str) -> None:
    put(home / "mnist", idx_files())
    (home / "mnist" / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    with pytest.raises(InputError, match=word) as caught:
        open_data(Data(name="mnist"))
    assert "delete it" in caught.value.hint


def test_damaged_cifar_files(home: Path) -> None:
    put(home / known.CIFAR_FOLDER, cifar_files())
    (home / known.CIFAR_FOLDER / "test_batch.bin").write_bytes(bytes(3072))
    with pytest.raises(InputError, match="3072 bytes are no whole number"):
        open_data(Data(name="cifar10"))


def test_the_cifar10_recipe_trains_on_files_in_the_true_format(home: Path) -> None:
    put(home / known.CIFAR_FOLDER, cifar_files(30))
    few = {"steps": 2, "evaluation.samples": 20, "evaluation.final_samples": 20}
    run = sparring.train("mlp-cifar10", out=home / "run", overrides=few)
    assert run.summary["data"] == "cifar10"
    assert run.sample(3).shape == (3, 3, 32, 32)


def test_foreign_pickles_are_never_opened(home: Path) -> None:
    put(home / "cifar-10-batches-py", {"data_batch_1": b"cos\nsystem\n(S'touch pwned'\ntR."})
    with pytest.raises(InputError, match="is not the published CIFAR-10"):
        open_data(Data(name="cifar10"))
    assert not Path("pwned").exists()


@pytest.mark.skipif(
    not Path("/usr/share/datasets/fashion-mnist").is_dir(),
    reason="Debian's dataset-fashion-mnist is not installed",
)
def test_debians_fashion_mnist_is_found() -> None:
    dataset = open_data(Data(name="fashion-mnist"))
    assert len(dataset.values) == 70_000
    assert len(dataset.split("test")) == 10_000
    assert dataset.labels is not None
    assert dataset.labels.bincount().tolist() == [7000] * 10
    assert dataset.classes[int(dataset.labels[0])] == "ankle boot"
