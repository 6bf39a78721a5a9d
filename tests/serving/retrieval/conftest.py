"""A real Chroma server on a random port, and indexes over both kinds of Chroma."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.models.files import embedding_model_path
from serving.offline import offline_env
from serving.retrieval.embedding import LocalEmbeddings
from serving.retrieval.index import Index
from serving.settings import Settings

READY_WITHIN_S = 60


@pytest.fixture(scope="session")
def embeddings() -> LocalEmbeddings:
    """The real embedding model, loaded once for the run."""
    return LocalEmbeddings(embedding_model_path(Settings()))


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of the server that the chromadb wheel carries, run as a child process."""
    folder = tmp_path_factory.mktemp("chroma")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("chroma"), "run", "--path", folder]
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            stdout=log,
            stderr=log,
            env=os.environ | offline_env(),
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait(30)


def _wait(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if httpx.get(f"{url}/api/v2/heartbeat", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError("the Chroma server did not become ready")


@pytest.fixture(params=["embedded", "server"])
def index(
    request: pytest.FixtureRequest, tmp_path: Path, embeddings: LocalEmbeddings
) -> Iterator[Index]:
    """An index with two shipped documents; the same tests run over both kinds of Chroma."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "heart.md").write_text("# Heart failure\n\nWeigh the patient each morning.\n")
    (shipped / "sugar.md").write_text("# Hypoglycaemia\n\nGive glucagon if there is no drip.\n")
    url = request.getfixturevalue("chroma_server") if request.param == "server" else None
    made = Index(Settings(home=tmp_path / "home", chroma_url=url), embeddings, shipped)
    yield made
    made.close()
