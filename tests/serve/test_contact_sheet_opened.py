"""The contact sheet of `espark check` in the workbench: a page of its own, in a sandbox."""

from __future__ import annotations

from small_study import Browser

ADDRESS = "/api/contact-sheet"


def test_without_a_sheet_the_workbench_names_the_command(browser: Browser) -> None:
    assert browser.client.get("/api/study").json()["contact_sheet"] is False
    answer = browser.client.get(ADDRESS)
    assert answer.status_code == 404 and "espark check --pictures" in answer.text


def test_the_sheet_is_shown_in_a_sandbox(browser: Browser) -> None:
    browser.workbench.layout.contact_sheet.write_text("<!DOCTYPE html><title>sheet</title>", encoding="utf-8")
    assert browser.client.get("/api/study").json()["contact_sheet"] is True
    answer = browser.client.get(ADDRESS)
    policy = answer.headers["content-security-policy"]
    assert answer.status_code == 200 and "sheet" in answer.text
    assert "sandbox allow-scripts" in policy and "default-src 'none'" in policy and "script-src 'sha256-" in policy
    assert "sandbox" not in browser.client.get("/api/study").headers["content-security-policy"]


def test_the_sheet_is_closed_during_a_reading(browser: Browser) -> None:
    browser.workbench.layout.contact_sheet.write_text("<title>sheet</title>", encoding="utf-8")
    for session in browser.gate.sessions._sessions.values():
        session.reading = 1
    assert browser.client.get(ADDRESS).status_code == 403
