"""LPIPS with weight files in their true format, and the diversity of samples."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from helpers import toy
from sparring.data import Dataset, open_data
from sparring.errors import InputError
from sparring.games import Prior
from sparring.metrics import Made, Scorer, lpips_features, source
from sparring.metrics.diversity import pair_distances
from sparring.metrics.features import Extractor
from sparring.metrics.lpips import LPIPS_URL, STAGES, VGG16_URL
from sparring.recipe import Data, Latent


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return open_data(Data())


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both published files with random numbers; of VGG16's classes only a token."""
    folder = tmp_path_factory.mktemp("lpips")
    torch.save(vgg16_layers().state_dict() | {"classifier.0.bias": torch.zeros(4)}, vgg16(folder))
    draw = torch.Generator().manual_seed(1)
    linear = {
        f"lin{k}.model.1.weight": torch.rand(1, widths[-1], 1, 1, generator=draw)
        for k, widths in enumerate(STAGES)
    }
    torch.save(linear, folder / LPIPS_URL.rpartition("/")[2])
    return folder


def vgg16(folder: Path) -> Path:
    return folder / VGG16_URL.rpartition("/")[2]


def vgg16_layers() -> nn.Module:
    """The convolutions of torchvision's VGG16, with its names; the same ones each time."""
    from torchvision.models.vgg import cfgs, make_layers

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.ModuleDict({"features": make_layers(cfgs["D"])})


@pytest.fixture(scope="module")
def published(weights: Path) -> Extractor:
    return lpips_features(weights)


@contextmanager
def as_downloaded(weights: Path) -> Iterator[None]:
    """torch-fidelity gets these files where it would download them."""
    import torch_fidelity.sample_similarity_lpips as theirs

    patch = pytest.MonkeyPatch()
    linear = torch.load(weights / LPIPS_URL.rpartition("/")[2], weights_only=True)
    patch.setattr(theirs, "load_state_dict_from_url", lambda url, **_: linear)
    layers = SimpleNamespace(features=vgg16_layers()["features"])
    patch.setattr(theirs, "torchvision_load_pretrained_vgg16", lambda **_: layers)
    try:
        yield
    finally:
        patch.undo()


@pytest.mark.parametrize(("size", "channels"), [(28, 3), (70, 3), (28, 1)])
def test_squared_distances_are_torch_fidelitys_lpips(
    weights: Path, published: Extractor, size: int, channels: int
) -> None:
    pytest.importorskip("torch_fidelity", reason="needs torch-fidelity")
    from torch_fidelity.sample_similarity_lpips import SampleSimilarityLPIPS

    with as_downloaded(weights):
        resize = 64 if size < 64 else None
        theirs = SampleSimilarityLPIPS("lpips-vgg16", sample_similarity_resize=resize)
    draw = torch.Generator().manual_seed(2)
    a, b = (
        torch.randint(0, 256, (3, channels, size, size), generator=draw, dtype=torch.uint8)
        for _ in range(2)
    )
    ours = (published(a) - published(b)).square().sum(1)
    expected = theirs(a.expand(-1, 3, -1, -1), b.expand(-1, 3, -1, -1)).double().flatten()
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=0)
    assert published.of_floats is not None
    torch.testing.assert_close(published.of_floats(a / 127.5 - 1).double(), published(a))


def test_records_say_whether_it_is_lpips_as_published(digits: Dataset, weights: Path) -> None:
    few = digits.split("select")[:10]

    class Still(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 28 * 28))

        def forward(self, z: Tensor) -> Tensor:
            return (0.1 * z @ self.weight).view(-1, 1, 28, 28)

    made = Made(few, generator=source(Still(), Prior(Latent(size=2))))
    small = Dataset("few", digits.values[:40], {k: torch.arange(20) for k in digits.splits})
    records = Scorer(small, "test", weights=weights).score(made, ["lpips", "ppl", "fid"])
    for name in ("lpips", "ppl"):
        assert records[name].features == "lpips-vgg16"
        assert not any("not LPIPS" in flag for flag in records[name].flags)
        assert records[name].value > 0
    assert records["fid"].features == "classifier"
    offline = Scorer(digits, "test").score(few, ["lpips"])["lpips"]
    assert (offline.features, offline.layer) == ("classifier", "penultimate (64), unit length")
    assert any("not LPIPS as published" in flag for flag in offline.flags)


def test_weights_that_are_missing_or_wrong_are_told(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"vgg16-397923af\.pth` is missing") as problem:
        lpips_features(tmp_path)
    assert VGG16_URL in problem.value.hint
    vgg16(tmp_path).write_bytes(vgg16(weights).read_bytes())
    linear = tmp_path / LPIPS_URL.rpartition("/")[2]

    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, (f"open({str(tmp_path / 'ran')!r}, 'w')",)

    linear.write_bytes(pickle.dumps(Trap(), protocol=2))
    with pytest.raises(InputError, match="holds no plain weights"):
        lpips_features(tmp_path)
    assert not (tmp_path / "ran").exists()
    linear.write_bytes((weights / linear.name).read_bytes()[:100])
    with pytest.raises(InputError, match="holds no plain weights"):
        lpips_features(tmp_path)
    torch.save({"lin0.model.1.weight": torch.ones(1, 64, 1, 1)}, linear)
    with pytest.raises(InputError, match="are not those of LPIPS"):
        lpips_features(tmp_path)
    torch.save(
        {f"lin{k}.model.1.weight": -torch.ones(1, s[-1], 1, 1) for k, s in enumerate(STAGES)},
        linear,
    )
    with pytest.raises(InputError, match="are below 0"):
        lpips_features(tmp_path)


def test_identical_samples_have_no_diversity_and_real_ones_that_of_real(digits: Dataset) -> None:
    scorer = Scorer(digits, "test")
    one = digits.values[:1].expand(100, -1, -1, -1)
    assert scorer.estimates(one, ["lpips"])["lpips"].value == pytest.approx(0, abs=1e-12)
    fresh = scorer.estimates(digits.split("select"), ["lpips"])["lpips"]
    assert fresh.error is not None
    assert abs(fresh.value - fresh.more["real"]) < 4 * fresh.error
    zeros = digits.values[digits.labels == 0][:300]
    fewer = scorer.estimates(zeros, ["lpips"])["lpips"]
    assert fewer.value < 0.8 * fewer.more["real"]
    assert f"real data: {fresh.more['real']:.4g}" in fresh.flags[0]


def test_pairs_of_vectors_by_hand() -> None:
    """Two points 5 apart: half of all pairs, on average, are of different ones."""
    ends = torch.tensor([[0.0, 0.0], [3.0, 4.0]]).repeat(500, 1)
    found = pair_distances(lambda rows: ends[rows].double(), len(ends), unit=False)
    assert len(found) == 500
    assert set(found.tolist()) == {0.0, 25.0}
    assert found.mean().item() == pytest.approx(12.5, abs=3 * 12.5 / 500**0.5)
    assert Scorer(toy("ring"), "test").estimates(ends, ["lpips"])["lpips"].more["real"] > 4
