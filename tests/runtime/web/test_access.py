"""Who gets in: this machine, or who knows the token; and nobody through a name that is not ours."""

from __future__ import annotations

import pytest

from simple_trt.errors import UsageError
from simple_trt.runtime.web import Access

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_this_machine_needs_no_token(host: str) -> None:
    access = Access(host)
    assert access.token is None
    for name in ("localhost:8080", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST"):
        assert access.allows("/", {"Host": name})


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:8080", "192.168.1.5:8080", "", "localhost.evil.example"]
)
def test_a_page_elsewhere_whose_name_leads_here_is_refused(name: str) -> None:
    assert not Access("127.0.0.1").allows("/stats.json", {"Host": name})


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "camera.local"])
def test_elsewhere_a_token_is_made_up(host: str) -> None:
    first, second = Access(host), Access(host)
    assert first.token and second.token and len(first.token) == 32
    assert first.token != second.token
    assert not first.allows("/", {"Host": "localhost"})


def test_the_token_may_come_in_three_ways() -> None:
    access = Access("0.0.0.0", TOKEN)
    assert access.allows(f"/?token={TOKEN}", {})
    assert access.allows("/", {"Cookie": f"other=1; simple_trt_token={TOKEN}"})
    assert access.allows("/", {"Authorization": f"Bearer {TOKEN}"})


@pytest.mark.parametrize("path", ["/", "/?token=", f"/?token={TOKEN[:-1]}", f"/?token={TOKEN}x", "/?token=\u00e9"])
@pytest.mark.parametrize(
    "headers", [{}, {"Cookie": "simple_trt_token="}, {"Cookie": "=;=\x00"}, {"Authorization": "x"}]
)
def test_anything_else_is_refused(path: str, headers: dict[str, str]) -> None:
    assert not Access("0.0.0.0", TOKEN).allows(path, headers)


def test_a_token_of_ones_own_for_this_machine() -> None:
    access = Access("127.0.0.1", TOKEN)
    assert not access.allows("/", {"Host": "localhost"})
    assert access.allows(f"/?token={TOKEN}", {"Host": "localhost"})


@pytest.mark.parametrize("token", ["", "short", "with spaces in between", "; HttpOnly=0123456789abcdef"])
def test_tokens_that_keep_nobody_out(token: str) -> None:
    with pytest.raises(UsageError, match="needs 16 or more letters and digits"):
        Access("0.0.0.0", token)
