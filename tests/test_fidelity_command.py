"""torch-fidelity's command line takes our file as a generator, and its score is ours."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.data import Dataset
from sparring.metrics import Scorer
from sparring.metrics.features import Extractor
from sparring.networks.dcgan import DCGANGenerator
from sparring.onnx_export import export_onnx
from sparring.onnx_generator import OnnxGenerator
from test_onnx_export import SIZE, a_model

fidelity = pytest.importorskip("torch_fidelity", reason="needs torch-fidelity")
inception = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
registry = pytest.importorskip("torch_fidelity.registry")

COUNT, BATCH, SEED, LAYER = 24, 16, 7, "64"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file like the published one, of random weights that keep the size of activations."""

    class Unread(inception.FeatureExtractorInceptionV3):  # type: ignore[misc,name-defined]
        def load_state_dict(self, *args: object, **options: object) -> None:
            pass

    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save({}, path)
    network = Unread("x", [LAYER], feature_extractor_weights_path=str(path))
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            torch.nn.init.kaiming_normal_(parameter)
    torch.save(network.state_dict(), path)
    return path


def test_its_score_is_ours(weights: Path, tmp_path: Path) -> None:
    model = a_model(lambda size, shape: DCGANGenerator(size, shape, 4, init="he"), (3, 16, 16))
    file, folder = tmp_path / "x.onnx", tmp_path / "real"
    export_onnx(model, file, uint8=True)
    real = np.random.default_rng(0).integers(0, 256, (COUNT, 16, 16, 3), np.uint8)
    folder.mkdir()
    for number, image in enumerate(real):
        Image.fromarray(image).save(folder / f"{number:03d}.png")
    words = f"--cpu --fid --silent --json --no-cache --save-cpu-ram --feature-layer-fid {LAYER}"
    command = [
        *(sys.executable, "-m", "torch_fidelity.fidelity", *words.split()),
        *("--input1", str(file), "--input1-model-z-size", str(SIZE)),
        *("--input1-model-z-type", "normal", "--input1-model-num-samples", str(COUNT)),
        *("--input2", str(folder), "--feature-extractor-weights-path", str(weights)),
        *("--batch-size", str(BATCH), "--rng-seed", str(SEED)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)["frechet_inception_distance"]

    draw = np.random.RandomState(SEED)
    parts = [(min(BATCH, COUNT - start), SIZE) for start in range(0, COUNT, BATCH)]
    z = torch.cat([registry.NOISE_SOURCE_REGISTRY["normal"](draw, part) for part in parts])
    fake = OnnxGenerator(file, "x").run(z)
    expected = model.generator(z).add(1).mul(127.5).round().to(torch.uint8)
    assert (fake.int() - expected.int()).abs().max() <= 1
    network = inception.FeatureExtractorInceptionV3(
        "x", [LAYER], feature_extractor_weights_path=str(weights)
    )
    extractor = Extractor("inception", LAYER, "299x299", lambda samples: network(samples)[0])
    values = torch.from_numpy(real).permute(0, 3, 1, 2)
    data = Dataset("real", values, {"test": torch.arange(COUNT)})
    ours = Scorer(data, "test", extractor=extractor).estimates(fake, ["fid"])["fid"].value
    assert theirs > 1
    assert ours == pytest.approx(theirs, rel=1e-4)
