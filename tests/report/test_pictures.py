"""Grids and pairs put every image where it belongs; a PNG is whole or not there."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageColor

from sparring.report import image_grid, look, pairs_picture, samples_picture, save_png
from sparring.report.pictures import GROUND


def numbered(count: int, channels: int, height: int = 3, width: int = 4) -> torch.Tensor:
    """Images in one flat colour each: image i, channel c has the value 10 i + c + 60."""
    values = 60 + 10 * torch.arange(count)[:, None] + torch.arange(channels)
    return values[:, :, None, None].expand(-1, -1, height, width).to(torch.uint8)


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_grid_puts_every_image_in_its_cell(channels: int, mode: str) -> None:
    picture = image_grid(numbered(5, channels), columns=3, scale=2, gap=1)
    assert picture.mode == mode
    assert picture.size == (1 + 3 * 9, 1 + 2 * 7)
    pixels = np.asarray(picture).reshape(15, 28, channels)
    for i in range(5):
        row, column = divmod(i, 3)
        cell = pixels[1 + 7 * row : 7 + 7 * row, 1 + 9 * column : 9 + 9 * column]
        assert (cell == 60 + 10 * i + np.arange(channels)).all()
    assert (pixels[:, [0, 9, 18, 27]] == GROUND).all()
    assert (pixels[[0, 7, 14]] == GROUND).all()
    assert (pixels[8:, 19:] == GROUND).all()  # the empty sixth cell


def test_grid_enlarges_pixel_by_pixel() -> None:
    image = torch.arange(6, dtype=torch.uint8).reshape(1, 1, 2, 3) * 40
    pixels = np.asarray(image_grid(image, columns=1, scale=3, gap=0))
    assert (pixels == np.kron(image[0, 0].numpy(), np.ones((3, 3), np.uint8))).all()


@pytest.mark.parametrize("count", [1, 3, 64])
@pytest.mark.parametrize("side", [8, 28, 64])
def test_grid_is_large_enough_to_see(count: int, side: int) -> None:
    picture = image_grid(torch.zeros(count, 1, side, side, dtype=torch.uint8))
    assert picture.width >= 460


@pytest.mark.parametrize(
    "samples",
    [
        torch.zeros(4, 1, 8, 8),
        torch.zeros(4, 2, 8, 8, dtype=torch.uint8),
        torch.zeros(0, 1, 8, 8, dtype=torch.uint8),
        torch.zeros(4, 8, 8, dtype=torch.uint8),
    ],
)
def test_grid_refuses_what_is_no_batch_of_images(samples: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="uint8 images"):
        image_grid(samples)


@pytest.mark.parametrize("channels", [1, 3])
def test_pairs_are_framed_in_the_colours_of_generated_and_real(channels: int) -> None:
    samples, partners = numbered(3, channels), numbered(3, channels) + 100
    picture = np.asarray(pairs_picture(samples, partners, columns=2, frame=2))
    # Frames found by their colour tell where the images are.
    generated = (picture == ImageColor.getrgb(look.FAKE)).all(axis=2)
    real = (picture == ImageColor.getrgb(look.REAL)).all(axis=2)
    columns = np.flatnonzero(generated[0])
    wide = int(np.flatnonzero(np.diff(columns) > 1)[0]) + 1  # of one framed image
    scale = (wide - 4) // 4
    tall = 3 * scale + 4
    gap = max(4, wide // 6)
    for i in range(3):
        row, column = divmod(i, 2)
        top, left = row * (tall + gap), column * (2 * wide + gap)
        for shift, mask, images in ((0, generated, samples), (wide, real, partners)):
            cell = (slice(top, top + tall), slice(left + shift, left + shift + wide))
            inner = picture[cell][2:-2, 2:-2]
            expected = images[i].permute(1, 2, 0).expand(-1, -1, 3).numpy()
            assert (inner == expected.repeat(scale, 0).repeat(scale, 1)).all()
            assert mask[cell].sum() == wide * tall - inner.shape[0] * inner.shape[1]


def test_what_is_no_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        pairs_picture(numbered(3, 1), numbered(2, 1))


def test_samples_picture_makes_a_grid_of_images() -> None:
    samples = numbered(4, 1)
    assert samples_picture(samples, columns=4).tobytes() == image_grid(samples, 4).tobytes()


def test_png_replaces_the_old_one_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "000100.png"
    for grey in (10, 200):
        save_png(Image.new("L", (4, 4), grey), path)
    assert [p.name for p in path.parent.iterdir()] == ["000100.png"]
    with Image.open(path) as image:
        assert image.getpixel((0, 0)) == 200


def test_a_failed_write_keeps_the_old_png(tmp_path: Path) -> None:
    path = tmp_path / "000100.png"
    save_png(Image.new("L", (4, 4), 10), path)
    before = path.read_bytes()
    with pytest.raises(OSError, match="cannot write mode"):
        save_png(Image.new("HSV", (4, 4)), path)
    assert [p.name for p in tmp_path.iterdir()] == ["000100.png"]
    assert path.read_bytes() == before
