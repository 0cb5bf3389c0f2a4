"""What moderators refuse leaves in no way; the two that are shipped."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from servers import serving

from sparring.errors import InputError
from sparring.serving.moderation import make_check
from sparring.serving.sources import open_source
from sparring.serving.version import Version

pytest.importorskip("onnx")


def no_bright_ones(version: Version) -> Any:
    return lambda images, labels: [
        f"{image.mean():.0f} is too bright" if image.mean() > 128 else None for image in images
    ]


def broken(version: Version) -> Any:
    return lambda images, labels: [None] * (len(images) - 1)


def of_no_use(version: Version) -> Any:
    raise KeyError("x")


def no_function(version: Version) -> Any:
    return 3


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def test_a_moderator_sees_each_image(version: Version, here: None) -> None:
    check = make_check("test_moderation:no_bright_ones", version)
    images = np.stack([np.full((1, 4, 4), value, np.uint8) for value in (0, 200)])
    passed, refused = check(images, np.zeros(2))
    assert passed is None
    assert refused is not None
    assert (refused.status, refused.message) == (403, "refused: 200 is too bright")


def test_a_moderator_that_fails_lets_nothing_through(version: Version, here: None) -> None:
    check = make_check("test_moderation:broken", version)
    verdicts = check(np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2))
    assert [verdict is not None and verdict.status for verdict in verdicts] == [403, 403]
    for name in ("of_no_use", "no_function"):
        with pytest.raises(InputError, match="--moderation"):
            make_check(f"test_moderation:{name}", version)


def test_copies_and_artifacts_are_refused(images: Path) -> None:
    served = Version(open_source(str(images)))
    served.warm_up()
    from sparring.data import open_data
    from sparring.recipe import Data

    train = open_data(Data(name="mnist5k")).split("train")[:20].numpy()
    labels = np.zeros(20, np.int64)
    copies = make_check("sparring.serving.moderators:no_near_copies", served)
    assert all(copies(train, labels))
    noise = np.random.default_rng(0).integers(0, 256, train.shape, dtype=np.uint8)
    assert not any(copies(noise, labels))
    artifacts = make_check("sparring.serving.moderators:no_artifacts", served)
    z, labels = served.as_fed(served.inputs(range(500)))
    own = served.run(z, labels, np.ones(500, np.float32))
    assert 0 < sum(verdict is not None for verdict in artifacts(own, labels)) < 30


def test_moderators_need_the_run(version: Version) -> None:
    for name in ("no_near_copies", "no_artifacts"):
        with pytest.raises(InputError, match="not at hand"):
            make_check(f"sparring.serving.moderators:{name}", version)


def all_but_the_first(version: Version) -> Any:
    """Refuses the image of seed 0 and what looks the same."""
    z, labels = version.as_fed(version.inputs(range(1)))
    first = version.run(z, labels, np.ones(1, np.float32))[0]
    return lambda images, labels: [
        "it is the first" if (image == first).all() else None for image in images
    ]


def test_what_is_refused_leaves_in_no_way(images: Path, tmp_path: Path, here: None) -> None:
    how = {"moderation": "test_moderation:all_but_the_first", "disk_cache": 100_000}
    with serving([f"digits={images}"], tmp_path / "errors", **how) as server:
        assert server.get("/v1/models/digits/images/1.png").status_code == 200
        for _ in range(2):
            answer = server.get("/v1/models/digits/images/0.png")
            assert answer.status_code == 403
            assert answer.json()["error"] == {
                "code": "refused",
                "message": "refused: it is the first",
            }
            assert answer.headers["cache-control"] == "no-store"
        for path in ("walks/0-1.png", "walks/1-0.png", "neighbours/0"):
            assert server.get(f"/v1/models/digits/{path}").status_code == 403
        batch = server.post("/v1/models/digits/generate", json={"seeds": [1, 0]})
        assert batch.status_code == 403
        assert 'sparring_refused_total{model="digits"} 6.0' in server.get("/metrics").text
