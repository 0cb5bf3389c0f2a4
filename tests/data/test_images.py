"""Folders and zips of images of every kind that people have."""

import os
import struct
import subprocess
import sys
import zipfile
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparring.data import open_data
from sparring.data.images import FEW
from sparring.errors import InputError
from sparring.recipe import Data

RNG = np.random.default_rng(0)
SIZE = 16
SMALL = ("evaluation.samples=20", "evaluation.final_samples=20")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARRING_CACHE", str(tmp_path_factory.mktemp("cache")))


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def folder_with(path: Path, count: int = 12, channels: int = 3, size: int = SIZE) -> Path:
    """So many noise images, a00.png and on."""
    path.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        array = noise(size, size, 3) if channels == 3 else noise(size, size)
        Image.fromarray(array).save(path / f"a{index:02d}.png")
    return path


def sample_of(folder: Path, image: Image.Image | bytes, name: str, **data: object) -> tuple:
    """What becomes of one image among noise: its array, and the notes."""
    folder_with(folder)
    target = folder / name
    if isinstance(image, bytes):
        target.write_bytes(image)
    else:
        image.save(target)
    dataset = open_data(Data(name=str(folder), **data))
    place = sorted(path.name for path in folder.iterdir()).index(name)
    return dataset.values[place].numpy(), dataset.notes


def test_rgb_images_are_kept_bit_for_bit(tmp_path: Path) -> None:
    wanted = noise(SIZE, SIZE, 3)
    got, notes = sample_of(tmp_path, Image.fromarray(wanted), "b.png")
    assert np.array_equal(got, wanted.transpose(2, 0, 1))
    assert notes == ("16x16 pixels: images have a short side of about 16",)


def test_grey_among_colour_has_three_equal_channels(tmp_path: Path) -> None:
    wanted = noise(SIZE, SIZE)
    got, _ = sample_of(tmp_path, Image.fromarray(wanted), "b.png")
    assert all(np.array_equal(channel, wanted) for channel in got)


def test_grey_only_folders_have_one_channel_even_as_rgb_files(tmp_path: Path) -> None:
    folder_with(tmp_path, channels=1)
    grey = noise(SIZE, SIZE)
    Image.fromarray(grey).convert("RGB").save(tmp_path / "b.png")
    dataset = open_data(Data(name=str(tmp_path)))
    assert dataset.shape == (1, SIZE, SIZE)
    assert np.array_equal(dataset.values[12, 0], grey)
    assert "grey: no image has any colour" in dataset.notes


def test_channels_can_be_asked_for(tmp_path: Path) -> None:
    folder_with(tmp_path)
    assert open_data(Data(name=str(tmp_path), channels=1)).shape == (1, SIZE, SIZE)
    grey = open_data(Data(name=str(tmp_path), channels=1)).values[0, 0].numpy().astype(float)
    colour = open_data(Data(name=str(tmp_path))).values[0].numpy().astype(float)
    luma = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    assert np.abs(grey - luma).max() <= 1


@pytest.mark.parametrize(
    ("background", "wanted"), [("white", (255, 255, 255)), ("#204060", (32, 64, 96))]
)
def test_transparency_shows_the_background(
    tmp_path: Path, background: str, wanted: tuple[int, int, int]
) -> None:
    rgba = np.zeros((SIZE, SIZE, 4), np.uint8)
    rgba[:, :8] = (10, 20, 30, 255)
    got, notes = sample_of(tmp_path, Image.fromarray(rgba), "b.png", background=background)
    assert tuple(got[:, 0, 0]) == (10, 20, 30)
    assert tuple(got[:, 0, 15]) == wanted
    assert any("partly transparent" in note for note in notes)


def test_half_transparency_is_mixed(tmp_path: Path) -> None:
    rgba = np.full((SIZE, SIZE, 4), (0, 100, 200, 128), np.uint8)
    got, _ = sample_of(tmp_path, Image.fromarray(rgba), "b.png")
    mixed = [255 + (value - 255) * 128 / 255 for value in (0, 100, 200)]
    assert np.abs(got[:, 3, 3] - np.array(mixed)).max() <= 1


def test_palettes_become_rgb(tmp_path: Path) -> None:
    wanted = np.zeros((SIZE, SIZE, 3), np.uint8)
    wanted[:8], wanted[8:] = (200, 10, 10), (10, 10, 200)
    image = Image.fromarray(wanted).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    got, notes = sample_of(tmp_path, image, "b.gif")
    assert np.array_equal(got, wanted.transpose(2, 0, 1))
    assert any("palette" in note for note in notes)


def test_transparent_palettes_show_the_background(tmp_path: Path) -> None:
    image = Image.new("P", (SIZE, SIZE), 0)
    image.putpalette([0, 0, 0, 50, 60, 70])
    image.putpixel((3, 4), 1)
    buffer = BytesIO()
    image.save(buffer, "PNG", transparency=0)
    got, _ = sample_of(tmp_path, buffer.getvalue(), "b.png")
    assert tuple(got[:, 4, 3]) == (50, 60, 70)
    assert tuple(got[:, 0, 0]) == (255, 255, 255)


def test_sixteen_bits_are_rounded_to_eight(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, SIZE * SIZE).astype(np.uint16).reshape(SIZE, SIZE)
    got, notes = sample_of(tmp_path, Image.fromarray(values), "b.png")
    assert np.abs(got[0].astype(float) - values / 257).max() <= 0.51
    assert any("16 bits" in note for note in notes)


def test_cmyk_is_converted(tmp_path: Path) -> None:
    image = Image.new("CMYK", (SIZE, SIZE), (0, 255, 255, 0))  # red ink
    got, notes = sample_of(tmp_path, image, "b.tif")
    assert tuple(got[:, 5, 5]) == (255, 0, 0)
    assert any("CMYK" in note for note in notes)


def test_exif_turns_images_upright(tmp_path: Path) -> None:
    array = np.zeros((SIZE, SIZE, 3), np.uint8)
    array[:, 8:] = 255  # bright on the right
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: show it a quarter clockwise
    buffer = BytesIO()
    Image.fromarray(array).save(buffer, "JPEG", exif=exif, quality=95)
    got, notes = sample_of(tmp_path, buffer.getvalue(), "b.jpg")
    assert got[:, 12:].mean() > 240  # bright below
    assert got[:, :4].mean() < 15
    assert any("upright" in note for note in notes)


def test_animations_give_their_first_frame(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (SIZE, SIZE), colour) for colour in ("red", "lime", "blue")]
    buffer = BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    got, notes = sample_of(tmp_path, buffer.getvalue(), "b.gif")
    assert tuple(got[:, 0, 0]) == (255, 0, 0)
    assert any("several frames" in note for note in notes)


def test_mixed_sizes_are_cut_square_and_resized(tmp_path: Path) -> None:
    wide = np.zeros((64, 200, 3), np.uint8)
    wide[:, 68:132] = 255  # exactly the central square
    got, notes = sample_of(tmp_path, Image.fromarray(wide), "b.png")
    assert got.min() >= 250
    assert not any("enlarged" in note for note in notes)
    small, notes = sample_of(tmp_path, Image.new("RGB", (4, 6), (9, 8, 7)), "c.png")
    assert tuple(small[:, 8, 8]) == (9, 8, 7)
    assert any("1 of 14 smaller than wanted: enlarged" in note for note in notes)
    assert any("centre is cut out" in note for note in notes)


def test_resizing_does_not_alias(tmp_path: Path) -> None:
    stripes = np.zeros((128, 128), np.uint8)
    stripes[:, ::2] = 255  # finer than the small image can show: grey, not stripes
    got, _ = sample_of(tmp_path, Image.fromarray(stripes), "b.png")
    assert np.abs(got[0, 2:-2, 2:-2].astype(float) - 127.5).max() < 8


BROKEN = {
    "empty.png": (b"", "empty"),
    "text.jpg": (b"this is no image", "cannot be read"),
    "half.png": (None, "cannot be read"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_left_out_and_told(tmp_path: Path, name: str) -> None:
    content, word = BROKEN[name]
    folder_with(tmp_path)
    if content is None:
        content = (tmp_path / "a00.png").read_bytes()[:200]
    (tmp_path / name).write_bytes(content)
    dataset = open_data(Data(name=str(tmp_path)))
    assert len(dataset.values) == 12
    assert any(f"1 of 13 left out, {word}" in note and name in note for note in dataset.notes)


def test_float_images_are_left_out(tmp_path: Path) -> None:
    folder_with(tmp_path)
    Image.fromarray(RNG.random((SIZE, SIZE), dtype=np.float32)).save(tmp_path / "f.tif")
    notes = open_data(Data(name=str(tmp_path))).notes
    assert any("range is not known" in note for note in notes)


def bomb() -> bytes:
    """A small PNG whose header promises 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
    )


def test_decompression_bombs_are_left_out(tmp_path: Path) -> None:
    folder_with(tmp_path)
    (tmp_path / "bomb.png").write_bytes(bomb())
    notes = open_data(Data(name=str(tmp_path))).notes
    assert any("megapixels" in note and "bomb.png" in note for note in notes)


def test_postscript_is_never_run(tmp_path: Path) -> None:
    folder_with(tmp_path)
    (tmp_path / "trick.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert len(open_data(Data(name=str(tmp_path))).values) == 12


def test_subfolders_are_classes(tmp_path: Path) -> None:
    for name, count in (("cats", 12), ("dogs", 8)):
        folder_with(tmp_path / "train" / name / "deep", count)
    dataset = open_data(Data(name=str(tmp_path)))
    assert dataset.classes == ("cats", "dogs")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == [0] * 12 + [1] * 8


def test_one_folder_and_loose_files_are_no_classes(tmp_path: Path) -> None:
    folder_with(tmp_path / "one" / "all")
    assert open_data(Data(name=str(tmp_path / "one"))).labels is None
    folder_with(tmp_path / "two" / "some")
    folder_with(tmp_path / "two", 3)
    assert open_data(Data(name=str(tmp_path / "two"))).labels is None


def test_hidden_and_other_files_are_passed_over(tmp_path: Path) -> None:
    folder_with(tmp_path)
    (tmp_path / ".hidden.png").write_bytes(b"x")
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    dataset = open_data(Data(name=str(tmp_path)))
    assert len(dataset.values) == 12
    assert "1 other files passed over" in dataset.notes


def test_links_to_the_same_image_count_once(tmp_path: Path) -> None:
    folder_with(tmp_path / "real")
    (tmp_path / "real" / "again.png").symlink_to(tmp_path / "real" / "a00.png")
    (tmp_path / "real" / "loop").symlink_to(tmp_path / "real")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    assert len(open_data(Data(name=str(tmp_path / "linked"))).values) == 12


def test_a_zip_gives_what_its_folder_gives(tmp_path: Path) -> None:
    for name in ("a", "b"):
        folder_with(tmp_path / "f" / name)
    with zipfile.ZipFile(tmp_path / "f.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in (tmp_path / "f").rglob("*.png"):
            archive.write(path, Path("pictures") / path.relative_to(tmp_path / "f"))
        archive.writestr("__MACOSX/._a00.png", b"junk")
    folder, packed = (open_data(Data(name=str(tmp_path / n))) for n in ("f", "f.zip"))
    assert torch.equal(folder.values, packed.values)
    assert packed.classes == folder.classes == ("a", "b")


@pytest.mark.parametrize("name", ["../evil.png", "/etc/evil.png", "C:\\evil.png"])
def test_zips_that_climb_out_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "z.zip", "w") as archive:
        archive.writestr(name, b"x")
    with pytest.raises(InputError, match="leads out of the archive"):
        open_data(Data(name=str(tmp_path / "z.zip")))


def test_broken_zips_are_refused(tmp_path: Path) -> None:
    (tmp_path / "z.zip").write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(InputError, match="cannot be read as a zip"):
        open_data(Data(name=str(tmp_path / "z.zip")))


@pytest.mark.parametrize(
    ("files", "message", "hint"),
    [
        ([], "holds no images .it is empty", "images end in"),
        (["notes.txt"], "no images among its 1 files", "subfolders are searched"),
        (["a.png", "b.png"], "none of 2 files can be read", "open one in a viewer"),
    ],
)
def test_useless_folders(tmp_path: Path, files: list[str], message: str, hint: str) -> None:
    for name in files:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(InputError, match=message) as caught:
        open_data(Data(name=str(tmp_path)))
    assert hint in caught.value.hint


def test_too_few_images(tmp_path: Path) -> None:
    folder_with(tmp_path, 9)
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match="holds 9 images that can be read") as caught:
        open_data(Data(name=str(tmp_path)))
    assert "at least 10" in caught.value.hint
    assert "x.png" in caught.value.hint


def test_no_colour_of_that_name(tmp_path: Path) -> None:
    folder_with(tmp_path)
    with pytest.raises(InputError, match="is no colour"):
        open_data(Data(name=str(tmp_path), background="whitish"))


@pytest.mark.parametrize(("side", "chosen"), [(4, 8), (30, 32), (33, 32), (62, 64), (300, 64)])
def test_the_size_is_chosen_from_the_images(tmp_path: Path, side: int, chosen: int) -> None:
    folder_with(tmp_path, size=side)
    dataset = open_data(Data(name=str(tmp_path)))
    assert dataset.shape == (3, chosen, chosen)
    assert f"about {side}" in dataset.notes[0]


def test_the_cache_is_used_until_something_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_with(tmp_path)
    first = open_data(Data(name=str(tmp_path)))
    cache = Path(os.environ["SPARRING_CACHE"]) / "packed"
    (file,) = cache.iterdir()
    made = file.stat().st_mtime_ns
    assert open_data(Data(name=str(tmp_path))).fingerprint == first.fingerprint
    assert file.stat().st_mtime_ns == made
    Image.fromarray(noise(SIZE, SIZE, 3)).save(tmp_path / "a00.png")
    assert open_data(Data(name=str(tmp_path))).fingerprint != first.fingerprint
    assert len(list(cache.iterdir())) == 2
    assert open_data(Data(name=str(tmp_path), size=8)).shape == (3, 8, 8)


def test_a_damaged_cache_is_made_again(tmp_path: Path) -> None:
    folder_with(tmp_path)
    first = open_data(Data(name=str(tmp_path)))
    values, fingerprint = first.values.clone(), first.fingerprint
    del first
    (file,) = (Path(os.environ["SPARRING_CACHE"]) / "packed").iterdir()
    file.unlink()
    file.write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    again = open_data(Data(name=str(tmp_path)))
    assert torch.equal(again.values, values)
    assert again.fingerprint == fingerprint


def test_many_images_on_all_cores_equal_few_on_one(tmp_path: Path) -> None:
    folder_with(tmp_path / "many", FEW + 30, size=8)
    dataset = open_data(Data(name=str(tmp_path / "many")))
    paths = sorted((tmp_path / "many").iterdir())
    wanted = np.stack([np.asarray(Image.open(path)) for path in paths]).transpose(0, 3, 1, 2)
    assert np.array_equal(dataset.values.numpy(), wanted)


def test_a_folder_trains_on_the_command_line(tmp_path: Path) -> None:
    folder_with(tmp_path / "mine", 40)
    words = ["train", "--data", str(tmp_path / "mine"), "--out", str(tmp_path / "run"), "steps=2"]
    done = subprocess.run(
        [sys.executable, "-m", "sparring", *words, "data.flip=true", *SMALL, "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "16x16 pixels: images have a short side of about 16" in done.stderr
    assert "batch_size=16: a larger batch would be much of 32 images" in done.stderr
