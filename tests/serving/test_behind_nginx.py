"""The proxy of docs/production.md, run as it stands there: only places and ports are others."""

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from getpass import getuser
from pathlib import Path

import httpx
import pytest
from servers import Server, serving, wait_until

PAGE = Path(__file__).parents[2] / "docs" / "production.md"
TOKEN = "open-sesame-1234"

pytestmark = pytest.mark.skipif(
    not (shutil.which("nginx") and shutil.which("openssl")), reason="needs nginx and openssl"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A place for a proxy, with a certificate of its own."""
    made = tmp_path_factory.mktemp("nginx")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    new = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    files = ["-keyout", str(made / "key.pem"), "-out", str(made / "certificate.pem")]
    subprocess.run([*new, *files], check=True, capture_output=True)
    return made


@contextmanager
def _proxied(server: Server, folder: Path) -> Iterator[httpx.Client]:
    """A client of the page's proxy before this server."""
    (written,) = re.findall(r"```text\n(proxy_cache_path.*?)```", PAGE.read_text(), re.DOTALL)
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    for there, here in (
        ("/var/cache/nginx/sparring", f"{folder}/cache-{port}"),
        ("127.0.0.1:8000;", f"127.0.0.1:{server.port};"),
        ("443 ssl", f"127.0.0.1:{port} ssl"),
        ("/etc/ssl/images.example.org.pem", f"{folder}/certificate.pem"),
        ("/etc/ssl/images.example.org.key", f"{folder}/key.pem"),
    ):
        assert there in written
        written = written.replace(there, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    rest = f"user {getuser()};\npid {folder}/pid;\ndaemon off;\nevents {{}}\n"
    file = folder / "nginx.conf"
    file.write_text(f"{rest}http {{\naccess_log off;\n{places}{written}}}\n")
    nginx = subprocess.Popen(["nginx", "-p", folder, "-c", file, "-e", "stderr"])
    trust = ssl.create_default_context(cafile=folder / "certificate.pem")
    try:
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trust) as client:
            wait_until(lambda: _answers(client))
            yield client
    finally:
        nginx.terminate()
        nginx.wait(30)


def _answers(client: httpx.Client) -> bool:
    with suppress(httpx.ConnectError):
        return client.get("/healthz").status_code == 200
    return False


def test_images_are_kept_by_the_proxy(service: Server, folder: Path) -> None:
    path = f"/v1/models/{service.ref('digits')}/images/4242.png"
    with _proxied(service, folder) as client:
        answers = [client.get(path) for _ in range(3)]
        assert {one.content for one in answers} == {service.get(path).content}
        wait_until(lambda: _asked(service, path) == 2)  # once through the proxy, once past it
        assert "sparring" in client.get("/").text.lower()
        batch = client.post("/v1/models/digits/generate", json={"count": 3, "format": "npz"})
        assert batch.status_code == 200
        assert client.post("/v1/models/digits/generate", content=b" " * 70000).status_code == 413
        assert client.get("/metrics").status_code == 403


def _asked(server: Server, path: str) -> int:
    """How many requests for it have reached the service."""
    return sum(line["event"] == "request" and path in line["to"] for line in server.log())


def test_with_a_token_nothing_is_kept_for_others(
    images: Path, folder: Path, tmp_path: Path
) -> None:
    with (
        serving([f"digits={images}"], tmp_path / "errors", token=TOKEN) as server,
        _proxied(server, folder) as client,
    ):
        allowed = {"authorization": f"Bearer {TOKEN}"}
        path = f"/v1/models/digits@{_version(client, allowed)}/images/7.png"
        assert client.get(path, headers=allowed).status_code == 200
        assert client.get(path).status_code == 401
        login = client.post("/login", data={"token": TOKEN})
        assert "secure" in login.headers["set-cookie"].lower()
        assert client.get(path).status_code == 200  # by the cookie


def _version(client: httpx.Client, headers: dict[str, str]) -> str:
    (found,) = client.get("/v1/models", headers=headers).json()
    return str(found["version"])


def test_clients_are_told_apart(images: Path, folder: Path, tmp_path: Path) -> None:
    """What a client says of itself does not count: the proxy says who it is."""
    with (
        serving([f"digits={images}"], tmp_path / "errors", rate=1.0) as server,
        _proxied(server, folder) as client,
    ):
        asked = [
            client.post(
                "/v1/models/digits/generate",
                headers={"x-forwarded-for": f"192.0.2.{one}"},
                json={"count": 200},
            ).status_code
            for one in range(3)
        ]
        assert asked == [200, 429, 429]
