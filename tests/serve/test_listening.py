"""Other machines come in only with a password that does not cross the network in the clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from espark.errors import InputError
from espark.serve.security import Sessions
from espark.serve.server import Listening

SECRET = "twelve letters or more"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{SECRET}\n", encoding="utf-8")
    return path


def test_this_machine_alone_needs_no_password() -> None:
    for host in ("127.0.0.1", "localhost", "::1"):
        assert Listening(host).password() is None


def test_any_other_address_needs_password_and_tls(password_file: Path, tmp_path: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.5", "::"):
        with pytest.raises(InputError, match="password-file"):
            Listening(host).password()
        with pytest.raises(InputError, match="in the clear"):
            Listening(host, password_file=password_file).password()
        with pytest.raises(InputError, match="in the clear"):
            Listening(host, password_file=password_file, certificate=tmp_path / "c.pem").password()
        tls = Listening(host, password_file=password_file, certificate=tmp_path / "c.pem", key=tmp_path / "k.pem")
        assert tls.password() == SECRET
        assert Listening(host, password_file=password_file, proxy="espark.example").password() == SECRET


def test_a_short_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("hospital1", encoding="utf-8")
    with pytest.raises(InputError, match="shorter"):
        Listening(password_file=tmp_path / "short").password()


def test_behind_a_proxy_only_its_name_and_the_own_address_are_answered(password_file: Path) -> None:
    door = Listening("10.0.0.1", 80, password_file, proxy="Espark.example").door(80)
    assert set(door.hosts) == {"10.0.0.1:80", "espark.example"}
    assert door.secure


def test_a_password_is_tried_five_times_a_minute_at_most() -> None:
    sessions = Sessions(lambda _: None, SECRET)
    assert sessions.enter_by_password(SECRET) is not None
    assert [sessions.enter_by_password("guess") for _ in range(5)] == [None] * 5
    assert sessions.enter_by_password(SECRET) is None


def test_a_token_opens_one_session_and_the_next_token_is_announced() -> None:
    announced: list[str] = []
    sessions = Sessions(announced.append)
    token = sessions.offer()
    cookie = sessions.enter(token)
    assert cookie is not None
    assert sessions.of(cookie) is not None
    assert sessions.enter(token) is None
    assert len(set(announced)) == 2
    assert sessions.of(cookie[:-1]) is None
