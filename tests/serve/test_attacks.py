"""Forty-odd requests that the workbench must refuse; each row of the table is one attack."""

from __future__ import annotations

import gzip
import io
import sqlite3
import zipfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_study import SIZE, Browser

from espark.serve.security import CSRF_HEADER

Attack = Callable[[Browser], Any]


def get(address: str, **headers: str) -> Attack:
    return lambda browser: browser.client.get(address, headers=headers)


def stranger(method: str, address: str, **headers: str) -> Attack:
    """A request without the session's cookie."""

    def attack(browser: Browser) -> Any:
        browser.client.cookies.clear()
        return browser.client.request(method, address, headers=browser.headers | headers)

    return attack


def change(address: str, body: Any, **headers: str) -> Attack:
    """A changing request with these headers in place of the session's."""
    return lambda browser: browser.client.put(address, json=body, headers=headers)


def with_token(address: str, **headers: str) -> Attack:
    return lambda browser: browser.client.put(address, json={"person": "X"}, headers=browser.headers | headers)


def replayed(browser: Browser) -> Any:
    return browser.client.get("/enter", params={"token": browser.tokens[0]})


def of_another_session(browser: Browser) -> Any:
    other = browser.another()
    return browser.client.put("/api/session", json={"person": "X"}, headers={CSRF_HEADER: other.csrf})


def forged_cookie(browser: Browser) -> Any:
    browser.client.cookies.clear()
    return browser.client.get("/api/study", headers={"cookie": "espark-8470=" + "A" * 43})


def drawing(**changed: Any) -> Attack:
    labels = np.zeros(SIZE[::-1], np.uint8)
    labels[4:6, 10:12, 10:12] = 2
    return lambda browser: browser.save_regions(labels, based_on=0, **changed)


def strange_label(browser: Browser) -> Any:
    return browser.save_regions(np.full(SIZE[::-1], 7, np.uint8), based_on=0)


def raw_drawing(content: bytes, size: str = "40,36,12") -> Attack:
    query = {"based_on": 0, "first": "0,0,0", "size": size, "regions": "tumor"}
    return lambda browser: browser.client.post(
        "/api/cases/P-1/regions", params=query, content=content, headers=browser.headers
    )


def upload(name: str, content: bytes, kind: str = "ct") -> Attack:
    def attack(browser: Browser) -> Any:
        number = browser.post("/api/uploads/begin").json()["number"]
        return browser.client.put(
            f"/api/uploads/{number}/files",
            params={"kind": kind, "name": name},
            content=content,
            headers=browser.headers,
        )

    return attack


def finish_as(patient_id: str) -> Attack:
    def attack(browser: Browser) -> Any:
        number = browser.post("/api/uploads/begin").json()["number"]
        browser.client.put(
            f"/api/uploads/{number}/files",
            params={"kind": "ct", "name": "a.dcm"},
            content=b"x",
            headers=browser.headers,
        )
        return browser.post(f"/api/uploads/{number}/finish", {"patient_id": patient_id})

    return attack


def zipped(*files: tuple[str, bytes], link: bool = False) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if link:
                info.external_attr = 0o120777 << 16
            archive.writestr(info, data)
    return content.getvalue()


BOMB = zipped(("ct.dcm", b"\0" * (64 << 20)))


def endless(browser: Browser) -> Any:
    """A body without a length that goes on beyond the limit."""
    parts = (b"x" * (1 << 18) for _ in range(8))
    return browser.client.put("/api/session", content=parts, headers=browser.headers)


ATTACKS: dict[str, tuple[Attack, set[int]]] = {
    "path: up from static": (get("/static/%2e%2e/%2e%2e/accounts.py"), {404}),
    "path: up from static, twice encoded": (get("/static/%252e%252e/server.py"), {404}),
    "path: backslashes": (get("/static/..%5c..%5cserver.py"), {404}),
    "path: zero byte": (get("/static/main.js%00.png"), {404}),
    "path: absolute": (get("/static//etc/passwd"), {404}),
    "path: as a case": (get("/api/cases/..%2f..%2fetc%2fpasswd"), {404}),
    "path: as a version": (get("/api/cases/P-1/regions/..%2f1"), {404, 422}),
    "path: negative version": (get("/api/cases/P-1/regions/-1"), {422}),
    "path: as a slide": (get("/api/cases/P-1/slides/slide.tif/0/0_0.jpg"), {422}),
    "path: slide that is not there": (get("/api/cases/P-1/slides/9/0/0_0.jpg"), {404}),
    "path: tile that is not there": (get("/api/cases/P-1/slides/1/0/-5_0.jpg"), {404}),
    "path: as an upload": (with_token("/api/uploads/..%2f..%2fcohort.csv/files?kind=ct&name=a"), {404, 422}),
    "path: as a kind of file": (with_token("/api/uploads/" + "0" * 32 + "/files?kind=../ct&name=a"), {422}),
    "path: figure": (get("/api/results/0/..%2f..%2fstudy.toml"), {404, 422}),
    "host: another name": (get("/api/study", host="evil.example:8470"), {421}),
    "host: another port": (get("/api/study", host="127.0.0.1:1"), {421}),
    "host: name that resolves here": (get("/api/study", host="127.0.0.1.nip.example:8470"), {421}),
    "session: none": (stranger("GET", "/api/study"), {401}),
    "session: none, page": (stranger("GET", "/"), {401}),
    "session: none, static": (stranger("GET", "/static/main.js"), {401}),
    "session: none, image": (stranger("GET", "/api/cases/P-1/ct/slices?first=0&count=1"), {401}),
    "session: forged": (forged_cookie, {401}),
    "token: replayed": (replayed, {403}),
    "token: empty": (get("/enter?token="), {403}),
    "token: guessed": (get("/enter?token=" + "A" * 43), {403}),
    "csrf: no header": (change("/api/session", {"person": "X"}), {403}),
    "csrf: wrong header": (change("/api/session", {"person": "X"}, **{CSRF_HEADER: "x"}), {403}),
    "csrf: header of another session": (of_another_session, {403}),
    "csrf: another origin": (with_token("/api/session", origin="https://evil.example"), {403}),
    "csrf: origin null": (with_token("/api/session", origin="null"), {403}),
    "csrf: fetched by another site": (with_token("/api/session", **{"sec-fetch-site": "cross-site"}), {403}),
    "csrf: image of another site": (get("/api/study", **{"sec-fetch-site": "cross-site"}), {403}),
    "xss: script as an id": (finish_as("<script>alert(1)</script>"), {422}),
    "xss: quotes as an id": (finish_as("a\" onload=\"x"), {422}),
    "path: id that climbs": (finish_as("../../P-9"), {422}),
    "path: id that is hidden": (finish_as(".ssh"), {422}),
    "id that is taken": (finish_as("P-1"), {422}),
    "oversize: long body": (lambda browser: browser.put("/api/session", {"person": "x" * (2 << 20)}), {413}),
    "oversize: body without a length": (endless, {413}),
    "oversize: slices": (get("/api/cases/P-1/ct/slices?first=0&count=9999"), {422}),
    "oversize: slice beyond the CT": (get("/api/cases/P-1/ct/slices?first=11&count=5"), {404}),
    "bomb: zip": (upload("ct.zip", BOMB), {422}),
    "bomb: zip in a zip": (upload("ct.zip", zipped(("more.zip", b"PK"))), {422}),
    "bomb: link in a zip": (upload("ct.zip", zipped(("ct", b"/etc/passwd"), link=True)), {422}),
    "bomb: not a zip": (upload("ct.zip", b"not a zip"), {422}),
    "bomb: drawing that unpacks to more": (raw_drawing(gzip.compress(b"\0" * (32 << 20))), {422}),
    "bomb: drawing larger than the CT": (raw_drawing(gzip.compress(b"\0"), size="99999,99999,99999"), {422}),
    "drawing: not gzip": (raw_drawing(b"\0" * 100), {422}),
    "drawing: beyond the CT": (drawing(first=(30, 0, 0)), {422}),
    "drawing: another label": (strange_label, {422}),
    "drawing: another region": (drawing(regions="liver"), {422}),
    "method: delete": (lambda browser: browser.client.delete("/api/log", headers=browser.headers), {405}),
    "job: of nobody": (lambda browser: browser.post("/api/jobs/99/cancel"), {404}),
}  # fmt: skip


@pytest.mark.parametrize(("attack", "statuses"), ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_refused(browser: Browser, attack: Attack, statuses: set[int]) -> None:
    before = files_of(browser.folder)
    response = attack(browser)
    assert response.status_code in statuses
    assert "root:" not in response.text
    assert str(browser.folder) not in response.text
    assert files_of(browser.folder) == before


def files_of(folder: Path) -> set[str]:
    """What an attack must not change: everything but the workbench's own folder."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {str(path) for path in found if path.parts[0] != "serve" or path.parts[1] == "patients"}


def test_a_path_in_the_names_of_an_archive_leads_nowhere(browser: Browser) -> None:
    climbing = zipped(("../../../evil.dcm", b"1"), ("/tmp/evil-espark.dcm", b"2"), ("C:\\evil.dcm", b"3"))
    assert upload("ct.zip", climbing)(browser).status_code == 200
    (place,) = (browser.folder / "serve" / "uploads").iterdir()
    assert sorted(path.name for path in (place / "ct").iterdir()) == [
        "00001-00001.dcm", "00001-00002.dcm", "00001-00003.dcm",
    ]  # fmt: skip
    assert not list(browser.folder.parent.glob("evil*"))


@pytest.mark.parametrize("address", ["/", "/api/study", "/static/main.js", "/api/cases/none"])
def test_every_answer_forbids_what_the_page_does_not_need(browser: Browser, address: str) -> None:
    headers = browser.client.get(address).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_the_cookie_is_strict_and_hidden_from_scripts(browser: Browser) -> None:
    answer = browser.client.get("/enter", params={"token": browser.tokens[-1]})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_no_path_and_no_file_name_reaches_the_browser(browser: Browser) -> None:
    addresses = ("/api/study", "/api/cases/P-1", "/api/cases/P-1/ct/geometry", "/api/cases/P-1/versions", "/api/jobs")
    for address in addresses:
        text = browser.client.get(address).text
        assert str(browser.folder) not in text
        assert "slide.tif" not in text
        assert "a.nii" not in text


def test_the_log_is_never_changed(browser: Browser) -> None:
    browser.client.get("/api/cases/P-1")
    lines = browser.client.get("/api/log").json()
    assert [line["action"] for line in lines[:2]] == ["looked at", "gave a name"]
    assert lines[0]["person"] == "Dr. A"
    with sqlite3.connect(browser.folder / "serve" / "workbench.sqlite") as database:
        for statement in ("DELETE FROM logline", "UPDATE logline SET person = 'somebody else'"):
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                database.execute(statement)


def test_ids_of_a_page_are_text_never_markup() -> None:
    """No module of the page writes HTML."""
    for module in files("espark.serve").joinpath("static").iterdir():
        if module.name.endswith(".js"):
            text = module.read_text(encoding="utf-8")
            for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
                assert word not in text, (module.name, word)
