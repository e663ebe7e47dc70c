"""The room's Jinja environment: every text is escaped, every name must exist, nothing is fetched from outside."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from espark import wording
from espark.report import formatting, words
from espark.report.patient_content import ANSWER_KINDS, answer_kind

_DESIGN = {".py", ".html", ".css", ".js", ".svg"}


@functools.cache
def environment() -> jinja2.Environment:
    """The templates with the room's filters."""
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("espark.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        percent=wording.percent,
        signed=wording.signed,
        amount=formatting.amount,
        significant=formatting.significant,
        count=formatting.count,
        counted=formatting.counted,
        sentence=formatting.sentence,
        with_interval=formatting.with_interval,
        numeric_columns=formatting.numeric_columns,
        data_uri=formatting.data_uri,
        relative_address=formatting.relative_address,
    )
    pages.globals.update(
        words=words,
        about=words.about,
        rank=formatting.rank,
        percent_of=formatting.percent_of,
        share_with_interval=formatting.share_with_interval,
        ANSWER_KINDS=ANSWER_KINDS,
        answer_kind=answer_kind,
    )
    return pages


def rendered(template: str, **content: Any) -> str:
    """A page in one typography: equal content gives equal bytes."""
    return wording.with_thin_percent(environment().get_template(template).render(**content, style=style()))


def style() -> Markup:
    """The style sheet of every page."""
    return asset("report.css") + asset("drawings.css")


def asset(name: str) -> Markup:
    """A style sheet or script of the package, to be placed in the page unchanged."""
    return Markup((resources.files("espark.report") / "templates" / name).read_text(encoding="utf-8"))


@functools.cache
def design_fingerprint(package: Path = Path(__file__).parents[1]) -> str:
    """Hash of everything that decides the look and the fixed text of pages: all code, templates and style sheets.

    It covers the whole package because captions, figures and notes are made in many rooms. To draw a page again without
    need costs a second; a page with the text of an older version misleads.

    Args:
        package: folder of espark.
    """
    files = sorted(path for path in package.rglob("*") if path.suffix in _DESIGN)
    known = [(path.relative_to(package).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]
    return hashlib.sha256(repr(known).encode("utf-8")).hexdigest()


def script_hash(script: str) -> str:
    """The hash with which a page's security policy allows its one script."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
