"""The pictures of a run are made from its folder: the right networks, the right neighbours."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import sparring
from helpers import QUICK
from sparring.data import Dataset
from sparring.games import Prior, latents_of, walk
from sparring.recipe import Latent
from sparring.report import image_grid, write_report
from sparring.report.gallery import gallery, nearest
from sparring.report.scene import Scene, read_scene
from sparring.run import RunFolder, open_run
from sparring.training import checkpoint


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ring") / "run"
    return sparring.train("ring", out=folder, overrides=QUICK | {"loss.name": "hinge"}).path


def scene_of(path: Path) -> Scene:
    notes: list[str] = []
    scene = read_scene(open_run(path), notes)
    assert scene
    assert notes == []
    return scene


def test_neighbours_are_the_nearest_training_images() -> None:
    values = torch.full((6, 1, 4, 4), 200, dtype=torch.uint8)
    values[1], values[2], values[3] = 10, 60, 120
    splits = {"train": torch.tensor([2, 3, 5]), "select": torch.tensor([0, 4])}
    dataset = Dataset("six", values, splits | {"test": torch.tensor([1])})
    samples = torch.full((3, 1, 4, 4), 9, dtype=torch.uint8)
    samples[1], samples[2] = 119, 255
    samples[2, 0, 0, 0] = 0
    found, distances = nearest(samples, dataset)
    # Image 1 would be nearer to the first sample, but no GAN has seen it.
    assert found[:, 0, 0, 0].tolist() == [60, 120, 200]
    last = ((15 * 55**2 + 200**2) / 16) ** 0.5
    assert distances.mul(255).tolist() == pytest.approx([51, 1, last], rel=1e-3)


def test_neighbours_are_found_across_the_parts_of_a_large_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sparring.report.gallery.CHUNK", 3)
    draw = torch.Generator().manual_seed(0)
    values = torch.randint(0, 256, (20, 3, 5, 5), dtype=torch.uint8, generator=draw)
    order = torch.randperm(20, generator=draw)
    dataset = Dataset("noise", values, {"train": order, "select": order[:2], "test": order[:2]})
    found, distances = nearest(values[5:9], dataset)
    assert torch.equal(found, values[5:9])
    assert (distances < 1e-3).all()


def test_walks_go_from_seed_to_seed_at_the_length_of_draws() -> None:
    latent = Latent(size=40)
    path = walk(Prior(latent), seed=7, rows=3, columns=5).z.view(3, 5, 40)
    ends = latents_of(latent, range(7, 11))
    assert torch.allclose(path[:, 0], ends[:3], atol=1e-5)
    assert torch.allclose(path[:, -1], ends[1:], atol=1e-5)
    longer = torch.maximum(ends[:3].norm(dim=1), ends[1:].norm(dim=1))
    shorter = torch.minimum(ends[:3].norm(dim=1), ends[1:].norm(dim=1))
    for column in path.unbind(1):
        assert (column.norm(dim=1) < 1.1 * longer).all()
        assert (column.norm(dim=1) > 0.8 * shorter).all()


def test_the_scene_is_that_of_the_best_checkpoint(ring: Path) -> None:
    scene = scene_of(ring)
    best = checkpoint.read(ring / "checkpoints" / checkpoint.BEST)
    assert scene.step == best.meta["step"]
    assert scene.discriminator
    for network, group in ((scene.generator, "ema/generator"), (scene.discriminator, "player/")):
        for key, value in network.state_dict().items():
            name = f"{group}/{key}" if group.startswith("ema") else f"{group}discriminator/{key}"
            assert torch.equal(value, best.tensors[name])
    assert scene.loss
    assert not scene.loss.loss.probabilistic
    assert scene.dataset
    assert scene.dataset.name == "ring"


def test_pictures_are_the_same_from_the_run_and_from_its_folder(ring: Path) -> None:
    pictures = {path.name: path.read_bytes() for path in (ring / "pictures").iterdir()}
    assert set(pictures) == {"plane.png", "warp.png", "curves.png", "referee.png"}
    page = (ring / "report.html").read_text()
    for path in (ring / "pictures").iterdir():
        path.unlink()
    write_report(ring)
    assert {path.name: path.read_bytes() for path in (ring / "pictures").iterdir()} == pictures
    assert (ring / "report.html").read_text() == page


def test_the_pictures_of_images(images: Path) -> None:
    scene = scene_of(images)
    shown = {each.name: each for each in gallery(scene)}
    assert list(shown) == ["samples", "interpolation", "nearest"]
    expected = np.asarray(image_grid(sparring.sample(images, 100), columns=10))
    assert np.array_equal(np.asarray(shown["samples"].drawing), expected)
    with Image.open(images / "pictures" / "samples.png") as written:
        assert np.array_equal(np.asarray(written), expected)
    assert "4,000 training images" in shown["nearest"].caption
    for each in shown.values():
        assert each.alt
        assert each.caption.endswith(".")


class MyDiscriminator(nn.Module):
    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.layer = nn.Linear(shape[0], 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).flatten()


def test_a_network_that_cannot_be_made_again_is_left_out(tmp_path: Path) -> None:
    class Hidden(MyDiscriminator):
        """Nobody can import this."""

    run = sparring.train("ring", out=tmp_path / "run", overrides=QUICK, discriminator=Hidden)
    page = run.folder.report.read_text()
    assert "Blue ground" in page  # while it is at hand
    assert "left out" not in page
    write_report(run.path)
    page = run.folder.report.read_text()
    assert "Blue ground" not in page
    assert "blue ones do" in page
    assert "Pictures that need the discriminator are left out" in page


def test_a_network_that_can_be_imported_is_made_again(tmp_path: Path) -> None:
    run = sparring.train(
        "gaussian", out=tmp_path / "run", overrides=QUICK, discriminator=MyDiscriminator
    )
    assert scene_of(run.path).discriminator is not None


def test_data_that_changed_are_not_compared_with(tmp_path: Path) -> None:
    draw = torch.Generator().manual_seed(0)
    path = tmp_path / "data.npz"

    def write() -> None:
        noise = torch.randint(0, 256, (60, 1, 8, 8), dtype=torch.uint8, generator=draw)
        np.savez(path, samples=noise.numpy())

    write()
    scores = QUICK["evaluation"] | {"features": "pixels", "samples": 6, "final_samples": 6}
    small = {"generator.width": [8], "discriminator.width": [8], "evaluation": scores}
    run = sparring.train("mlp-mnist", str(path), tmp_path / "run", QUICK | small)
    assert {p.stem for p in run.folder.pictures.iterdir()} >= {"samples", "nearest"}
    for change, reason in ((write, "other contents"), (path.unlink, "left out")):
        change()
        notes: list[str] = []
        scene = read_scene(run.folder, notes)
        assert scene
        assert [each.name for each in gallery(scene)] == ["samples", "interpolation"]
        assert reason in notes[0]


def test_a_run_without_a_checkpoint_has_no_scene(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("steps: 5\n")
    notes: list[str] = []
    assert read_scene(RunFolder(tmp_path), notes) is None
    assert notes == []
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / checkpoint.LAST).write_bytes(b"half")
    assert read_scene(RunFolder(tmp_path), notes) is None
    assert "no picture" in notes[0]


def test_a_run_that_has_not_finished_is_drawn_from_its_last_checkpoint(ring: Path) -> None:
    best = ring / "checkpoints" / checkpoint.BEST
    kept = best.read_bytes()
    best.unlink()
    try:
        assert scene_of(ring).step == 12
        (ring / "summary.json").rename(ring / "kept.json")
        (ring / "metrics.json").rename(ring / "kept-metrics.json")
        assert "<small>at step 12</small>" in write_report(ring).read_text()
    finally:
        best.write_bytes(kept)
        (ring / "kept.json").rename(ring / "summary.json")
        (ring / "kept-metrics.json").rename(ring / "metrics.json")


def test_snapshots_show_the_discriminator(ring: Path) -> None:
    """The ground of the heat map has colours that a scatter alone does not."""
    with Image.open(ring / "samples" / "12.png") as picture:
        pixels = np.asarray(picture).astype(int)
    tinted = (pixels.max(axis=2) - pixels.min(axis=2) > 6) & (pixels.min(axis=2) > 120)
    assert tinted.mean() > 0.2
    assert json.loads((ring / "summary.json").read_text())["recipe"] == "ring"
