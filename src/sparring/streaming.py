"""Samples to disk as they are made, however many: memory holds two parts of them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import numpy as np
from torch import Tensor

from sparring.errors import InputError
from sparring.machine import cores
from sparring.png import png
from sparring.run import cannot_write, whole_file, write_bytes

Parts = Iterable[tuple[Tensor, Tensor]]  # samples [n, ...] and labels [n]


def write_archive(parts: Parts, count: int, path: Path) -> None:
    """Write `samples` and `labels` as an npz that is there whole or not at all.

    It is not compressed: generated images shrink little, and the time would be the generator's.
    """
    labels = []
    with whole_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        with archive.open("samples.npy", "w", force_zip64=True) as member:
            for index, (samples, part) in enumerate(parts):
                array = samples.contiguous().numpy()
                if index == 0:
                    _write_header(member, (count, *array.shape[1:]), array.dtype)
                member.write(array.data)
                labels.append(part.numpy())
        with archive.open("labels.npy", "w") as member:
            np.lib.format.write_array(member, np.concatenate(labels), allow_pickle=False)


def write_pictures(parts: Parts, folder: Path, seed: int) -> None:
    """Write one PNG a sample, named by its seed; encoded on all cores while the next are made."""
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(cores()) as pool:
        try:
            for samples, _ in parts:
                if samples.ndim != 4:
                    raise InputError("this generator makes vectors, not pictures", "use an .npz")
                _finish(waiting)
                folder.mkdir(parents=True, exist_ok=True)
                waiting = [
                    pool.submit(_write_picture, image, folder / f"{number}.png")
                    for number, image in enumerate(samples.numpy(), seed)
                ]
                seed += len(samples)
            _finish(waiting)
        except OSError as error:
            raise cannot_write(folder, error) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _finish(waiting: Iterable[Future[None]]) -> None:
    for one in waiting:
        one.result()


def _write_picture(image: np.ndarray, path: Path) -> None:
    write_bytes(path, png(image))


def _write_header(member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    about = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(member, about)
