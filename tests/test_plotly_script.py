"""plotly's script comes from this server, packed, and may be kept; everything else passes by."""

from __future__ import annotations

import gzip
import re

import plotly
import pytest
from plotly.offline import get_plotlyjs
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.plotly_script import ADDRESS, PATH, PlotlyScript


@pytest.fixture(scope="module")
def client() -> TestClient:
    def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("the page")

    routes = [Route("/", page), Route("/posekit/other.js", page)]
    return TestClient(Starlette(routes=routes, middleware=[Middleware(PlotlyScript)]))


def test_the_script_is_that_of_the_installed_plotly(client: TestClient) -> None:
    assert f"{PATH[1:]}?v={plotly.__version__}" == ADDRESS
    plain = client.get(ADDRESS, headers={"accept-encoding": "identity"})
    assert plain.status_code == 200 and plain.text == get_plotlyjs()
    assert re.search(r"plotly\.js v\d", plain.text[:300])
    assert plain.headers["content-type"].startswith("text/javascript")
    assert "immutable" in plain.headers["cache-control"]


def test_it_travels_packed_to_whoever_can_unpack_it(client: TestClient) -> None:
    with client.stream("GET", ADDRESS, headers={"accept-encoding": "gzip, br"}) as reply:
        raw = b"".join(reply.iter_raw())
        assert reply.headers["content-encoding"] == "gzip"
        assert int(reply.headers["content-length"]) == len(raw) < len(get_plotlyjs()) / 3
    assert gzip.decompress(raw).decode() == get_plotlyjs()
    assert client.head(ADDRESS).content == b""


def test_everything_else_passes_by(client: TestClient) -> None:
    assert client.get("/").text == "the page"
    assert client.get("/posekit/other.js").text == "the page"
    assert client.get("/posekit/plotly.css").status_code == 404
