"""Images by their addresses: the same bytes for ever, those of `sparring sample`."""

import io
import os
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from servers import Server, serving

import sparring

SEEDS = 24


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_an_image_is_that_of_sparring_sample(service: Server, images: Path) -> None:
    expected = sparring.api.sample(images, SEEDS, seed=100).numpy()[:, 0].astype(int)
    found = [
        pixels(service.get(f"/v1/models/digits/images/{100 + i}.png").content) for i in range(SEEDS)
    ]
    differences = np.abs(np.stack(found).astype(int) - expected)
    assert differences.max() <= 1
    assert (differences > 0).mean() <= 1e-3
    assert len({each.tobytes() for each in found}) > SEEDS // 2  # it is not one image


@pytest.mark.parametrize("label", [None, "3", "7"])
def test_an_image_of_a_class(service: Server, labelled: Path, label: str | None) -> None:
    expected = sparring.api.sample(labelled, 8, label=label).numpy()[:, 0].astype(int)
    query = {} if label is None else {"params": {"label": label}}
    for seed in range(8):
        found = pixels(service.get(f"/v1/models/labelled/images/{seed}.png", **query).content)
        assert np.abs(found.astype(int) - expected[seed]).max() <= 1


def test_truncation_scales_the_latents(service: Server) -> None:
    def spread(truncation: float) -> float:
        body = {"seeds": list(range(32)), "labels": 1, "truncation": truncation, "format": "npz"}
        answer = service.post("/v1/models/labelled/generate", json=body)
        return float(np.load(io.BytesIO(answer.content))["samples"].std(0).mean())

    assert spread(1.0) > spread(0.5) > spread(0.1)
    assert spread(0.0) == 0
    one = service.get("/v1/models/digits/images/5.png", params={"truncation": "1.0"})
    assert one.content == service.get("/v1/models/digits/images/5.png").content


def test_bytes_do_not_depend_on_company_process_or_batch(
    service: Server, images: Path, tmp_path: Path
) -> None:
    """Alone, all at once, in a batch, in another process with other limits."""
    path = "/v1/models/digits/images/{}.png"
    alone = {seed: service.get(path.format(seed)).content for seed in range(SEEDS)}
    with serving([f"digits={images}"], tmp_path / "errors", memory_cache=0) as other:
        with httpx.Client(base_url=other.address) as client, ThreadPoolExecutor(SEEDS) as pool:
            together = list(pool.map(lambda seed: client.get(path.format(seed)).content, alone))
        body = {"seeds": list(alone)}
        batch = zipfile.ZipFile(
            io.BytesIO(other.post("/v1/models/digits/generate", json=body).content)
        )
    assert together == list(alone.values())
    assert {int(name[:-4]): batch.read(name) for name in batch.namelist()} == alone


def test_a_version_is_for_ever_and_a_name_for_now(service: Server) -> None:
    ref = service.ref("digits")
    pinned = service.get(f"/v1/models/{ref}/images/7.png")
    named = service.get("/v1/models/digits/images/7.png")
    assert pinned.content == named.content
    assert pinned.headers["etag"] == named.headers["etag"]
    assert pinned.headers["content-type"] == "image/png"
    assert "immutable" in pinned.headers["cache-control"]
    assert "max-age=31536000" in pinned.headers["cache-control"]
    assert "immutable" not in named.headers["cache-control"]
    other = service.get(f"/v1/models/{ref}/images/8.png")
    assert other.headers["etag"] != pinned.headers["etag"]
    for tag in (pinned.headers["etag"], f'"x", W/{pinned.headers["etag"]}', "*"):
        again = service.get(f"/v1/models/{ref}/images/7.png", headers={"if-none-match": tag})
        assert again.status_code == 304
        assert not again.content
        assert again.headers["etag"] == pinned.headers["etag"]
    changed = service.get(f"/v1/models/{ref}/images/7.png", headers={"if-none-match": '"x"'})
    assert changed.content == pinned.content


def test_head_is_get_without_a_body(service: Server) -> None:
    got, head = (
        service.client.request(how, "/v1/models/digits/images/7.png") for how in ("GET", "HEAD")
    )
    assert not head.content
    assert head.status_code == 200
    assert head.headers["content-length"] == str(len(got.content))
    assert head.headers["etag"] == got.headers["etag"]


WRONG = {
    "/v1/models/digits/images/-1.png": 422,
    "/v1/models/digits/images/007.png": 422,
    "/v1/models/digits/images/1.5.png": 422,
    "/v1/models/digits/images/abc.png": 422,
    "/v1/models/digits/images/%D9%A3.png": 422,
    f"/v1/models/digits/images/{2**53}.png": 422,
    f"/v1/models/digits/images/{'9' * 5000}.png": 422,
    "/v1/models/digits/images/1.png?label=3": 422,
    "/v1/models/labelled/images/1.png?label=x": 422,
    "/v1/models/labelled/images/1.png?label=10": 422,
    "/v1/models/labelled/images/1.png?label=": 422,
    "/v1/models/labelled/images/1.png?label=1&label=2": 422,
    "/v1/models/digits/images/1.png?truncation=nan": 422,
    "/v1/models/digits/images/1.png?truncation=1.01": 422,
    "/v1/models/digits/images/1.png?truncation=-0.1": 422,
    "/v1/models/digits/images/1.png?truncation=1_0": 422,
    "/v1/models/digits/images/1.png?truncation=": 422,
    "/v1/models/digits/images/1.png?size=3": 422,
    "/v1/models/plane/images/1.png": 422,
    "/v1/models/nobody/images/1.png": 404,
    "/v1/models/digits@/images/1.png": 404,
    "/v1/models/digits@0123456789abcdef/images/1.png": 404,
    "/v1/models/digits/images/1.gif": 404,
    "/v1/models/digits/images/1": 404,
    "/v1/models/digits/images/": 404,
    "/v1/models/digits/images/../../../../etc/passwd": 404,
    "/v1/models/..%2f..%2fetc/images/1.png": 404,
    "/assets/../process.py": 404,
    "/assets/%2e%2e%2fprocess.py": 404,
    "//etc/passwd": 404,
    "/v1/models/digits/walks/1-99999999999999999.png": 422,
    "/v1/models/digits/walks/1-2.png?steps=100000": 422,
    "/v1/models/digits/directions/99/1.png": 404,
    "/v1/models/digits/directions/0/1.png?reach=inf": 422,
    "/v1/models/digits/neighbours/x": 422,
    "/v1/models/plane/neighbours/1": 422,
}


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path[:60])
def test_what_is_wrong_is_told_as_json(service: Server, path: str) -> None:
    with service.socket() as connection:  # a client library would tidy some of these up
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert int(head.split()[1]) == WRONG[path], answer[:500]
    error: dict[str, Any] = httpx.Response(200, content=body).json()["error"]
    assert error.keys() == {"code", "message"}
    assert len(error["message"]) < 500


def test_other_methods_are_not_for_images(service: Server) -> None:
    answer = service.client.request("DELETE", "/v1/models/digits/images/1.png")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD"


def test_caches_hit_and_are_bounded(images: Path, tmp_path: Path) -> None:
    limits = {"memory_cache": 4000, "disk_cache": 400_000}
    with serving([f"digits={images}"], tmp_path / "errors", **limits) as server:
        first = [server.get(f"/v1/models/digits/images/{i}.png").content for i in range(150)]
        # The newest first: an old one, made again, drops the next to be asked for.
        again = [server.get(f"/v1/models/digits/images/{149 - i}.png").content for i in range(150)]
        assert first == again[::-1]
        figures = server.get("/metrics").text
    hits = [
        line
        for line in figures.splitlines()
        if line.startswith('sparring_cache_total{cache="disk"')
    ]
    assert hits
    assert float(hits[0].split()[-1]) >= 1
    folder = Path(os.environ["SPARRING_CACHE"]) / "images" / "all"
    sizes = [512 * path.stat().st_blocks for path in folder.glob("*/*")]
    assert 0 < sum(sizes) <= 400_000


def test_a_flood_of_the_same_and_of_new_seeds_is_answered(service: Server) -> None:
    statuses: list[int] = []

    def ask(place: int) -> None:
        with httpx.Client(base_url=service.address, timeout=30) as client:
            for i in range(20):
                seed = i if place % 2 else 1000 * place + i
                statuses.append(client.get(f"/v1/models/digits/images/{seed}.png").status_code)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 160
