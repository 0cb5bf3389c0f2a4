"""Names, versions, caches, batches and directions by themselves."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import linear
from PIL import Image
from torch import Tensor

from sparring.errors import InputError
from sparring.png import png, strip
from sparring.serving.cache import DiskCache, MemoryCache
from sparring.serving.diversity import diversity, mean_distance
from sparring.serving.latents import directions
from sparring.serving.refusal import Refusal
from sparring.serving.shelf import Shelf, worse
from sparring.serving.sources import Source, open_source
from sparring.serving.version import BUCKETS, Version

onnx: Any = pytest.importorskip("onnx")


def test_names(images: Path, tmp_path: Path) -> None:
    assert open_source(str(images)).name == images.name
    assert open_source(str(images / "model")).name == images.name
    assert open_source(f"mine={images}").name == "mine"
    moved = tmp_path / "über uns"
    shutil.copytree(images / "model", moved)
    found = open_source(str(moved))
    assert found.name == "ber-uns"
    assert found.version == open_source(str(images)).version  # the contents are the same
    assert found.run is None
    assert open_source(str(images / "model")).run is not None
    with pytest.raises(InputError, match="name of a model"):
        open_source(f"../x={images}")


def test_a_damaged_export_is_made_again(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path))
    first = open_source(str(images))
    (kept,) = (tmp_path / "serving").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])
    again = open_source(str(images))
    assert again.version == first.version
    assert kept.stat().st_size > 1000


def test_a_file_of_bytes_runs_sample_by_sample(
    version: Version, weight: Tensor, tmp_path: Path
) -> None:
    in_bytes = linear(tmp_path / "bytes.onnx", weight, uint8=True)
    assert in_bytes.buckets == (1,)
    assert version.buckets[0] == 1
    assert set(version.buckets) <= set(BUCKETS)
    z, labels = version.as_fed(version.inputs(range(37)))
    ones = np.ones(37, np.float32)
    assert (version.run(z, labels, ones) == in_bytes.run(z, labels, ones)).all()
    alone = [version.run(z[i : i + 1], labels[i : i + 1], ones[:1])[0] for i in range(37)]
    assert (version.run(z, labels, ones) == np.stack(alone)).all()


def test_a_kernel_that_sums_otherwise_is_not_used(
    version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Otherwise:
        """A session whose batches of 4 differ in the last bit."""

        def __init__(self, session: Any) -> None:
            self.session = session

        def run(self, names: Any, feed: Any) -> Any:
            (found,) = self.session.run(names, feed)
            return [np.nextafter(found, np.float32(2)) if len(found) == 4 else found]

    other = Version(Source("other", version.id, version.content))
    other.file.session = Otherwise(other.file.session)
    other.warm_up()
    assert 4 not in other.buckets


def test_a_file_with_a_fixed_batch(version: Version, tmp_path: Path) -> None:
    graph = onnx.load_from_string(version.content)
    for port in (*graph.graph.input, *graph.graph.output):
        port.type.tensor_type.shape.dim[0].dim_value = 3
    fixed = Version(Source("fixed", version.id, graph.SerializeToString()))
    fixed.warm_up()
    assert fixed.buckets == (3,)
    z, labels = version.as_fed(version.inputs(range(7)))
    ones = np.ones(7, np.float32)
    assert np.abs(fixed.run(z, labels, ones).astype(int) - version.run(z, labels, ones)).max() <= 1


def test_directions_are_the_singular_vectors_of_the_first_layer(
    version: Version, weight: Tensor
) -> None:
    found = directions(version)
    assert found is not None
    _, values, vectors = torch.linalg.svd(weight.double())
    energy = values.square() / values.square().sum()
    np.testing.assert_allclose(found.shares, energy, rtol=1e-5)
    cosines = (torch.from_numpy(found.vectors) * vectors).sum(1).abs()
    np.testing.assert_allclose(cosines, 1, rtol=1e-5)


@pytest.mark.parametrize("transposed", [False, True])
def test_directions_of_a_layer_stored_either_way(version: Version, transposed: bool) -> None:
    graph = onnx.load_from_string(version.content)
    node = next(one for one in graph.graph.node if one.op_type in ("Gemm", "MatMul"))
    stored = next(one for one in graph.graph.initializer if one.name in node.input)
    matrix = onnx.numpy_helper.to_array(stored)
    if matrix.shape[0] == 6:
        matrix = matrix.T
    matrix = np.array(matrix if transposed else matrix.T)
    stored.CopyFrom(onnx.numpy_helper.from_array(matrix, stored.name))
    z = next(name for name in node.input if name != stored.name)
    changed = onnx.helper.make_node("Gemm", [z, stored.name], node.output, transB=int(transposed))
    node.CopyFrom(changed)
    other = Version(Source("other", version.id, graph.SerializeToString()))
    found, expected = directions(other), directions(version)
    assert found is not None
    assert expected is not None
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=1e-5)


def test_one_version_more_is_a_rollback_when_it_is_older(version: Version) -> None:
    newer = Version(Source("linear", "f" * 16, version.content))
    shelf = Shelf([version, newer])
    assert shelf.find("linear") is newer
    assert shelf.find(version.ref) is version
    back = Shelf([version, newer, version])
    assert back.find("linear") is version
    assert back.find(newer.ref) is newer
    assert [one.id for one in back.versions] == [newer.id, version.id]
    with pytest.raises(Refusal, match="no model"):
        back.find("linear@0")


def record(value: float, **more: Any) -> dict[str, Any]:
    like = {"features": "classifier", "layer": "x", "resize": "none", "split": "test"}
    return {"value": value, "error": 0.5, "samples_real": 500, "samples_fake": 500, **like, **more}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ({"fid": record(10)}, {"fid": record(12)}, 1),
        ({"fid": record(10)}, {"fid": record(11)}, 0),  # chance
        ({"fid": record(12)}, {"fid": record(10)}, 0),
        ({"recall": record(9)}, {"recall": record(6)}, 1),
        ({"recall": record(6)}, {"recall": record(9)}, 0),
        ({"fid": record(10)}, {"fid": record(30, features="inception")}, 0),
        ({"fid": record(10)}, {"fid": record(30, samples_fake=100)}, 0),
        ({"fid": record(10)}, {"kid": record(30)}, 0),
        ({"fid": record(10)}, {"fid": record(30) | {"value": None}}, 0),
        ({"fid": record(10)}, {"fid": record(10.1, error=None)}, 0),
        ({"fid": record(10, error=None)}, {"fid": record(10.1, error=None)}, 1),
    ],
)
def test_a_version_that_scores_worse_is_warned_about(
    version: Version, old: dict[str, Any], new: dict[str, Any], told: int
) -> None:
    a, b = (Version(Source("linear", "ab" * 4 + digit, version.content)) for digit in "12")
    a.scores, b.scores = old, new
    assert len(worse(b, a)) == told
    assert len(Shelf([a, b]).find("linear").warnings) == told


def test_memory_is_bounded_and_keeps_what_is_used() -> None:
    cache = MemoryCache(10_000)
    for i in range(100):
        cache.put(str(i), bytes(500))
        cache.get("0")
        assert cache.size <= 10_000
    assert cache.get("0") is not None
    assert cache.get("1") is None
    assert 10 < len(cache) < 20
    cache.put("large", bytes(20_000))
    assert cache.get("large") is None
    nothing = MemoryCache(0)
    nothing.put("x", b"x")
    assert nothing.get("x") is None


def test_the_disk_is_bounded_and_what_is_damaged_is_not_given(tmp_path: Path) -> None:
    limit = 200_000
    cache = DiskCache(tmp_path, limit)
    for i in range(200):  # each takes a block, ten times what it holds
        cache.put(str(i), i.to_bytes(2) * 200)
        files = [path.stat() for path in tmp_path.glob("*/*")]
        assert sum(max(512 * one.st_blocks, one.st_size) for one in files) <= limit
    assert len(files) > 25
    assert cache.get("199") == (199).to_bytes(2) * 200
    assert cache.get("0") is None
    assert DiskCache(tmp_path, limit).get("199")
    (path,) = [one for one in tmp_path.glob("*/*") if one == cache._path("199")]
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert cache.get("199") is None
    assert not path.exists()
    for one in tmp_path.glob("*/*"):
        one.write_bytes(b"")
    assert cache.get("198") is None


def test_png_files_hold_their_pixels() -> None:
    for shape in ((1, 28, 28), (3, 5, 9), (3, 64, 64)):
        image = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        found = np.asarray(Image.open(io.BytesIO(png(image))))
        assert (found.reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1) == image).all()
    images = np.random.default_rng(1).integers(0, 256, (3, 1, 4, 5), dtype=np.uint8)
    assert (strip(images)[0, :, 5:10] == images[1, 0]).all()


def test_diversity_is_the_mean_distance_over_pairs() -> None:
    samples = np.random.default_rng(0).normal(size=(9, 2, 3))
    flat = samples.reshape(9, -1)
    pairs = [((flat[i] - flat[j]) ** 2).sum() for i in range(9) for j in range(i)]
    assert mean_distance(samples) == pytest.approx(np.sqrt(np.mean(pairs)))
    found = diversity(np.concatenate([samples[:4]] * 2), mean_distance(samples))
    assert found is not None
    assert found.repeated == 4
    assert diversity(samples[:7], 1.0) is None
