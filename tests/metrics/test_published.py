"""Published networks through files in their true formats, against torch-fidelity's own calls."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import sparring
from helpers import QUICK, THIN, Command, samples_of
from sparring.data import open_data
from sparring.errors import InputError
from sparring.metrics.features import find_extractor
from sparring.metrics.weights import sha256
from sparring.recipe import Data

torch_fidelity = pytest.importorskip("torch_fidelity", reason="needs torch-fidelity")

COUNT = 12  # images of each side: InceptionV3 sees a few a second


class Images(torch.utils.data.Dataset[Tensor]):
    """Grey images as torch-fidelity takes them."""

    def __init__(self, images: Tensor) -> None:
        self.images = images.expand(-1, 3, -1, -1).contiguous()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return self.images[index]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """InceptionV3's in the format of the published file, drawn so that activations keep a size."""
    inception = torch_fidelity.feature_extractor_inceptionv3.FeatureExtractorInceptionV3

    class Skeleton(inception):  # type: ignore[misc, valid-type]
        def load_state_dict(self, *_: Any, **__: Any) -> None:
            """There is nothing to load yet."""

    nothing = io.BytesIO()
    torch.save({}, nothing)
    nothing.seek(0)
    network = Skeleton("inception-v3-compat", ["2048"], feature_extractor_weights_path=nothing)
    draw = torch.Generator().manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, generator=draw)
    nn.init.normal_(network.fc.weight, generator=draw)  # so that classes differ
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


def test_inception_from_a_file_is_that_of_torch_fidelity(
    weights: Path, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path / "cache"))
    draw = torch.Generator().manual_seed(0)
    real = open_data(Data()).values[:COUNT]
    fake = torch.randint(0, 256, real.shape, generator=draw, dtype=torch.uint8)
    fake[::2] //= 4
    for name, samples in (("real", real), ("fake", fake)):
        np.savez(tmp_path / f"{name}.npz", samples=samples.numpy())
    answer = command(
        *("evaluate", str(tmp_path / "fake.npz"), "--data", str(tmp_path / "real.npz")),
        *("--features", "inception", "--weights", str(weights), "--metrics", "fid,kid,is"),
        "--json",
    )
    assert answer.code == 0, answer.stderr
    records = json.loads(answer.stdout)["metrics"]
    record = records["fid"]
    assert record["features"] == "inception"
    assert record["layer"] == "2048 of torch-fidelity's inception-v3-compat"
    assert record["resize"] == "grey repeated to RGB, bilinear to 299x299"
    unknown = f"weights `inception.pth` are not the published ones (SHA-256 {sha256(weights)[:16]}"
    assert all(found["flags"][0].startswith(unknown) for found in records.values())
    assert "fewer samples than features (2048)" in record["flags"]

    theirs = torch_fidelity.calculate_metrics(
        input1=Images(fake),
        input2=Images(real),
        fid=True,
        kid=True,
        isc=True,
        cuda=False,
        verbose=False,
        batch_size=COUNT,
        save_cpu_ram=True,
        feature_extractor_weights_path=weights,
        kid_subsets=1,
        kid_subset_size=COUNT,
        samples_shuffle=False,
        cache_root=str(tmp_path / "theirs"),
        input1_cache_name="fake",
        input2_cache_name="real",
    )
    of_them = {
        "fid": theirs["frechet_inception_distance"],
        "is": theirs["inception_score_mean"],
    }
    for name, value in of_them.items():
        # Features are float32, and theirs and ours are summed in other orders: on some processors
        # that is 1e-6, on others a little more.
        assert records[name]["value"] == pytest.approx(value, rel=5e-6)
    assert records["is"]["value"] > 1.005
    # They add up kernels, of about 1, in single precision; in double both agree.
    layer = "inception-v3-compat-features-2048.pt"
    features = [torch.load(tmp_path / "theirs" / f"{side}-{layer}") for side in ("fake", "real")]
    assert records["kid"]["value"] == pytest.approx(
        theirs["kernel_inception_distance_mean"], abs=1e-6
    )
    in_double = torch_fidelity.metric_kid.kid_features_to_metric(
        *(side.double() for side in features), kid_subsets=1, kid_subset_size=COUNT, verbose=False
    )
    assert records["kid"]["value"] == pytest.approx(
        in_double["kernel_inception_distance_mean"], rel=1e-6
    )
    ours = find_extractor("inception", samples_of(real), weights)(fake[:2])
    torch.testing.assert_close(ours, features[0][:2].double(), rtol=1e-4, atol=1e-5)


def vision_transformer(width: int = 64, patch: int = 8, grid: int = 3) -> dict[str, Tensor]:
    """Weights of CLIP's image network, of one layer, under the names of the published files."""
    from torch_fidelity.feature_extractor_clip import CLIPVisual

    torch.manual_seed(0)
    state = dict(CLIPVisual(32, patch * grid, 1, width, patch).state_dict())
    # What the published files hold for texts, of which only shapes matter.
    return state | {"text_projection": torch.zeros(8, 32), "logit_scale": torch.ones(())}


def test_clip_from_tensors(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    state = vision_transformer()
    torch.save(state, tmp_path / "clip.pt")
    save_file(state, tmp_path / "clip.safetensors")
    images = torch.randint(0, 256, (5, 3, 20, 20), dtype=torch.uint8)
    made = [
        find_extractor("clip-vit-b-32", samples_of(images), tmp_path / name)
        for name in ("clip.pt", "clip.safetensors")
    ]
    features = made[0](images)
    assert features.shape == (5, 32)
    assert made[0].resize == "bilinear to 24x24"
    assert made[0].classify is None
    assert torch.equal(features, made[1](images))
    assert made[0].key != made[1].key
    # Its own constructor reads programs: one that holds the same tensors.
    program = torch.jit.script(Program(state))
    program.save(str(tmp_path / "program.pt"))
    theirs = torch_fidelity.feature_extractor_clip.FeatureExtractorCLIP(
        "clip-vit-b-32", ["clip"], feature_extractor_weights_path=str(tmp_path / "program.pt")
    )
    torch.testing.assert_close(features.float(), theirs(images)[0], rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="TorchScript program other than the published"):
        find_extractor("clip-vit-b-32", samples_of(images), tmp_path / "program.pt")


def test_a_run_is_scored_by_the_weights_of_its_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    path = tmp_path / "clip.pt"
    torch.save(vision_transformer(), path)
    config = QUICK["evaluation"] | {"features": "clip-vit-b-32", "weights": str(path)}
    run = sparring.train(out=tmp_path / "run", overrides=QUICK | THIN | {"evaluation": config})
    record = run.summary["best"]["metrics"]["fid"]
    assert record["features"] == "clip-vit-b-32"
    assert record["flags"][0].startswith("weights `clip.pt` are not the published ones")
    again = run.evaluate(["fid"], samples=120)["fid"]
    assert again == record
    # Other features than the run's own do without its weights.
    assert sparring.evaluate(run.path, features="pixels", samples=50)["fid"]["features"] == "pixels"
    sides = (run.path, run.path)
    with pytest.raises(InputError, match="not on this machine"):
        sparring.compare(*sides, features="vgg16", samples=50)
    answer = sparring.compare(*sides, samples=50, features="clip-rn50", weights=path)
    assert answer["entries"][0]["metrics"]["fid"]["features"] == "clip-rn50"


class Program(nn.Module):
    """A module with the tensors of a state under their dotted names."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in state.items():
            *path, last = name.split(".")
            place: nn.Module = self
            for part in path:
                if not hasattr(place, part):
                    place.add_module(part, nn.Module())
                place = getattr(place, part)
            place.register_buffer(last, tensor)

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_weights_that_do_not_fit_are_refused(tmp_path: Path, weights: Path) -> None:
    images = samples_of(torch.zeros(4, 1, 8, 8, dtype=torch.uint8))
    some = dict(list(torch.load(weights).items())[:7])
    torch.save(some, path := tmp_path / "some.pth")
    with pytest.raises(InputError, match="do not fit the network of features `inception`: Missing"):
        find_extractor("inception", images, path)
    with pytest.raises(InputError, match="do not fit the network of features `clip-rn50`"):
        find_extractor("clip-rn50", images, path)
    some = {name: tensor.fill_(torch.nan) for name, tensor in vision_transformer().items()}
    torch.save(some, path)
    with pytest.raises(InputError, match="not finite"):
        find_extractor("clip-vit-b-32", images, path)(images.values)


def test_what_cannot_be_had_names_the_file_and_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody answers there
    images = samples_of(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    for name, file in (
        ("inception", "weights-inception-2015-12-05-6726825d.pth"),
        ("vgg16", "vgg16-397923af.pth"),
        ("clip-vit-b-32", "ViT-B-32.pt"),
    ):
        with pytest.raises(InputError, match="not on this machine") as problem:
            find_extractor(name, images)
        assert f"/{file} elsewhere" in problem.value.hint
        assert "--weights PATH" in problem.value.hint
    with pytest.raises(InputError, match=r"facebookresearch/dinov2") as problem:
        find_extractor("dinov2-vit-s-14", images)
    assert "no file can be given" in problem.value.hint


def test_what_a_file_is_no_use_for(tmp_path: Path) -> None:
    images = samples_of(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    path = tmp_path / "weights.pth"
    for name in ("auto", "pixels", "classifier", "trained", "torch.nn:Flatten"):
        with pytest.raises(InputError, match=f"features `{name}` take no file"):
            find_extractor(name, images, path)
    with pytest.raises(InputError, match="reads no file of weights for features `dinov2-vit-s-14`"):
        find_extractor("dinov2-vit-s-14", images, path)
    with pytest.raises(InputError, match="no features `clip-vit-b-23`") as problem:
        find_extractor("clip-vit-b-23", images)
    assert problem.value.hint == "did you mean `clip-vit-b-32`?"


def test_samples_that_are_no_images_are_refused() -> None:
    for samples in (torch.zeros(4, 2), torch.zeros(4, 2, 8, 8, dtype=torch.uint8)):
        with pytest.raises(InputError, match="features `inception` read grey or RGB images"):
            find_extractor("inception", samples_of(samples))


def test_without_torch_fidelity_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity.registry", None)
    images = samples_of(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(InputError, match="need torch-fidelity") as problem:
        find_extractor("inception", images)
    assert problem.value.hint == "pip install 'sparring[metrics]'"
