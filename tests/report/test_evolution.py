"""The GIF has the right frames, shown for the right time."""

from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from sparring.report import save_png, write_gif
from sparring.report.evolution import evenly


def snapshots(folder: Path, count: int, size: tuple[int, int] = (40, 20)) -> list[Path]:
    """PNGs that grow brighter, frame i having the grey 4 i."""
    paths = [folder / f"{i:06d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        save_png(Image.new("L", size, 4 * i), path)
    return paths


def frames_of(path: Path) -> list[Image.Image]:
    """The frames of a GIF; each knows its duration in milliseconds."""
    with Image.open(path) as image:
        return [frame.copy() for frame in ImageSequence.Iterator(image)]


def test_every_frame_is_shown_and_the_last_one_held(tmp_path: Path) -> None:
    path = write_gif(snapshots(tmp_path, 5), tmp_path / "evolution.gif", milliseconds=100, hold=900)
    assert path == tmp_path / "evolution.gif"
    frames = frames_of(path)
    assert [frame.info["duration"] for frame in frames] == [100, 100, 100, 100, 900]
    assert frames[0].info["loop"] == 0
    greys = [frame.convert("L").getpixel((3, 3)) for frame in frames]
    assert greys == pytest.approx([0, 4, 8, 12, 16], abs=2)


def test_many_frames_are_thinned_and_wide_ones_shrunk(tmp_path: Path) -> None:
    frames = snapshots(tmp_path, 50, (200, 100))
    path = write_gif(frames, tmp_path / "evolution.gif", max_frames=7, max_width=50)
    assert path is not None
    shown = frames_of(path)
    assert len(shown) == 7
    assert {frame.size for frame in shown} == {(50, 25)}
    assert shown[0].convert("L").getpixel((3, 3)) == pytest.approx(0, abs=2)
    assert shown[-1].convert("L").getpixel((3, 3)) == pytest.approx(196, abs=2)


def test_colour_survives(tmp_path: Path) -> None:
    save_png(Image.new("RGB", (20, 20), (200, 30, 60)), tmp_path / "1.png")
    path = write_gif([tmp_path / "1.png"], tmp_path / "evolution.gif")
    assert path is not None
    assert frames_of(path)[0].convert("RGB").getpixel((3, 3)) == pytest.approx((200, 30, 60), abs=4)


def test_unreadable_frames_are_skipped(tmp_path: Path) -> None:
    frames = snapshots(tmp_path, 3)
    frames[1].write_bytes(frames[1].read_bytes()[:40])
    path = write_gif([*frames, tmp_path / "missing.png"], tmp_path / "evolution.gif")
    assert path is not None
    assert len(frames_of(path)) == 2


def test_without_frames_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no picture")
    assert write_gif([], tmp_path / "evolution.gif") is None
    assert write_gif([tmp_path / "broken.png"], tmp_path / "evolution.gif") is None
    assert not (tmp_path / "evolution.gif").exists()


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [(3, 5, [0, 1, 2]), (9, 3, [0, 4, 8]), (9, 1, [8]), (0, 4, []), (10, 4, [0, 3, 6, 9])],
)
def test_evenly_keeps_both_ends(length: int, count: int, expected: list[int]) -> None:
    assert evenly(range(length), count) == expected
