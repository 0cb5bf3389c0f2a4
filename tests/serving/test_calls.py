"""Batches, models, figures and logs; and what a client must not do."""

import io
import json
import socket
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from servers import Server, read_all, serving, wait_until

import sparring

GENERATE = "/v1/models/{}/generate"


def test_models_are_described(service: Server, images: Path) -> None:
    found = {one["name"]: one for one in service.models()}
    assert list(found) == ["digits", "labelled", "plane"]
    digits = found["digits"]
    metrics = json.loads((images / "metrics.json").read_text())["metrics"]
    assert digits["scores"] == metrics
    assert (digits["latent_size"], digits["shape"]) == (8, [1, 28, 28])
    assert digits["current"] is True
    assert digits["classes"] == []
    assert digits["data"] == "mnist5k"
    assert len(digits["version"]) == 16
    assert found["labelled"]["classes"] == [str(digit) for digit in range(10)]
    assert (found["plane"]["shape"], found["plane"]["images"]) == ([2], False)


def test_a_batch_as_a_zip(service: Server) -> None:
    answer = service.post(GENERATE.format("digits"), json={"seeds": [5, 9, 5]})
    assert answer.headers["content-type"] == "application/zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.namelist() == ["5.png", "9.png", "5-2.png"]
    assert archive.read("9.png") == service.get("/v1/models/digits/images/9.png").content
    assert (
        answer.content == service.post(GENERATE.format("digits"), json={"seeds": [5, 9, 5]}).content
    )


def test_a_batch_as_arrays(service: Server, labelled: Path, plane: Path) -> None:
    body: dict[str, Any] = {"seeds": [3, 4, 5], "labels": ["1", 2, "3"], "format": "npz"}
    answer = service.post(GENERATE.format("labelled"), json=body)
    arrays = np.load(io.BytesIO(answer.content))
    assert arrays["samples"].shape == (3, 1, 28, 28)
    assert arrays["samples"].dtype == np.uint8
    assert arrays["labels"].tolist() == [1, 2, 3]
    assert arrays["seeds"].tolist() == [3, 4, 5]
    png = service.get("/v1/models/labelled/images/4.png", params={"label": "2"}).content
    assert (np.asarray(Image.open(io.BytesIO(png))) == arrays["samples"][1, 0]).all()
    answer = service.post(GENERATE.format("plane"), json={"seeds": [0, 1], "format": "npz"})
    arrays = np.load(io.BytesIO(answer.content))
    expected = sparring.api.sample(plane, 2).numpy()
    np.testing.assert_allclose(arrays["samples"], expected, atol=1e-5)
    assert arrays["labels"].tolist() == [-1, -1]


def test_a_count_gives_new_seeds_and_their_diversity(service: Server) -> None:
    one, other = (service.post(GENERATE.format("digits"), json={"count": 40}) for _ in range(2))
    assert one.content != other.content
    assert len(zipfile.ZipFile(io.BytesIO(one.content)).namelist()) == 40
    assert 0.5 < float(one.headers["x-diversity"]) < 2
    assert one.headers["x-repeated"] == "0"
    same = service.post(GENERATE.format("digits"), json={"seeds": [7] * 10})
    assert float(same.headers["x-diversity"]) == 0
    assert same.headers["x-repeated"] == "9"
    wait_until(lambda: any(line["event"] == "diversity" for line in _log(service)))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"count": 0},
        {"count": 257},
        {"count": 10**30},
        {"count": "3"},
        {"count": True},
        {"count": 3, "seeds": [1]},
        {"seeds": []},
        {"seeds": [-1]},
        {"seeds": [2**53]},
        {"seeds": [1.5]},
        {"seeds": [None]},
        {"seeds": list(range(257))},
        {"count": 2, "labels": ["1"]},
        {"count": 2, "labels": "ten"},
        {"count": 2, "labels": -1},
        {"count": 2, "labels": 10**30},
        {"count": 2, "truncation": 2},
        {"count": 2, "truncation": "0.5"},
        {"count": 2, "format": "gif"},
        {"count": 2, "size": 64},
        [],
        "x",
        None,
    ],
    ids=str,
)
def test_a_wrong_batch_is_refused(service: Server, body: Any) -> None:
    answer = service.post(GENERATE.format("labelled"), json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "out_of_range"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 60_000, b'{"count": NaN}', b"1e999"]
)
def test_a_body_that_is_no_json_is_refused(service: Server, content: bytes) -> None:
    answer = service.post(
        GENERATE.format("digits"), content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422


def test_vectors_have_no_pictures(service: Server) -> None:
    assert service.post(GENERATE.format("plane"), json={"count": 2}).status_code == 422


def test_a_body_has_a_limit_whether_or_not_it_says_its_length(service: Server) -> None:
    large = b'{"count": 1}' + b" " * 70_000
    assert service.post(GENERATE.format("digits"), content=large).status_code == 413
    parts = (large[i : i + 1000] for i in range(0, len(large), 1000))
    answer = service.post(GENERATE.format("digits"), content=parts)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"


def test_a_head_has_a_limit(service: Server) -> None:
    with service.socket() as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx: " + b"a" * 200_000)
        assert read_all(connection).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    "line",
    [
        b"\x16\x03\x01\x02\x00",
        b"GET\r\n\r\n",
        b"HELO x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_what_is_no_http_is_told_so(service: Server, line: bytes) -> None:
    with service.socket() as connection:
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4")
    assert json.loads(body)["error"]["code"] in ("malformed", "not_found")


def test_figures_for_prometheus(service: Server) -> None:
    service.get("/v1/models/digits/images/123456.png")
    text = service.get("/metrics").text
    for name in ("queue", "compute"):
        assert f'sparring_{name}_seconds_bucket{{le="0.001",model="digits"}}' in text
    assert 'sparring_request_seconds_count{call="image"}' in text
    assert 'sparring_requests_total{call="image",status="200"}' in text


def test_a_request_is_logged_under_its_id(service: Server) -> None:
    given = service.get("/v1/models?token=a%20b", headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    odd = service.get("/v1/models/nobody/images/1.png", headers={"x-request-id": 'a"b'})
    assert odd.headers["x-request-id"] != 'a"b'
    ids = {"mine-1": 200, odd.headers["x-request-id"]: 404}
    wait_until(lambda: ids.keys() <= {line.get("request") for line in _log(service)})
    for line in _log(service):
        if line.get("request") in ids:
            assert line["status"] == ids[line["request"]]
            assert line["ms"] > 0
            assert line["client"] == "127.0.0.1"
            assert line["to"].startswith("GET /v1/models")


def _log(service: Server) -> list[dict[str, Any]]:
    return service.log()


def test_ways_lead_from_seed_to_seed(service: Server) -> None:
    strip = _image(service.get("/v1/models/digits/walks/3-8.png?steps=5").content)
    assert strip.shape == (28, 5 * 28)
    for place, seed in ((0, 3), (4, 8)):
        alone = _image(service.get(f"/v1/models/digits/images/{seed}.png").content)
        assert (strip[:, 28 * place : 28 * place + 28] == alone).all()
    ref = service.ref("digits")
    answer = service.get(f"/v1/models/{ref}/walks/3-8.png?steps=5")
    assert "immutable" in answer.headers["cache-control"]
    headers = {"if-none-match": answer.headers["etag"]}
    assert (
        service.get(f"/v1/models/{ref}/walks/3-8.png?steps=5", headers=headers).status_code == 304
    )


def test_directions_move_a_sample(service: Server) -> None:
    found = service.get("/v1/models/digits/directions").json()
    shares = [one["share"] for one in found]
    assert shares == sorted(shares, reverse=True)
    assert 0 < sum(shares) <= 1 + 1e-9
    strip = _image(service.get("/v1/models/digits/directions/0/3.png?steps=3").content)
    alone = _image(service.get("/v1/models/digits/images/3.png").content)
    assert (strip[:, 28:56] == alone).all()
    assert (strip[:, :28] != alone).any()


def test_neighbours_are_the_nearest_training_images(service: Server) -> None:
    answer = service.get("/v1/models/digits/neighbours/3?count=2").json()
    assert answer["compared"] == 4000
    distances = [one["distance"] for one in answer["neighbours"]]
    assert distances == sorted(distances)
    sample = _image(service.get("/v1/models/digits/images/3.png").content).astype(float)
    data = sparring.data.open_data(sparring.recipe.Data(name="mnist5k"))
    apart = (data.split("train")[:, 0].numpy() - sample) / 255
    least = np.sqrt((apart**2).mean((1, 2))).min()
    assert distances[0] == pytest.approx(least, rel=1e-3)


def _image(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_a_client_has_a_rate(images: Path, tmp_path: Path) -> None:
    limits = {"rate": 1.0, "most_samples": 20}
    with serving([f"digits={images}"], tmp_path / "errors", **limits) as server:
        statuses = [server.get("/v1/models/digits/images/1.png").status_code for _ in range(25)]
        last = server.get("/v1/models/digits/images/1.png")
        elsewhere = server.get(
            "/v1/models/digits/images/1.png", headers={"x-forwarded-for": "9.9.9.9, 10.1.2.3"}
        )
    assert statuses.count(429) >= 3
    assert statuses[0] == 200
    assert last.status_code == 429
    assert 1 <= int(last.headers["retry-after"]) <= 3
    assert elsewhere.status_code == 200
