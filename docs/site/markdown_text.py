"""Plain text of the program as Markdown: brackets stay brackets."""

from __future__ import annotations

import re

_PART = re.compile(r"(`[^`]*`)|\[([^\[\]]*)\](?![(\[])|\[\[([^\[\]]*)\]\]")


def without_links(text: str) -> str:
    """The text, with a backslash before every bracket that is not code and not part of a link.

    Example:
        >>> without_links("under [ct] in `[ct]`, see [Codes](codes.md)")
        'under \\\\[ct\\\\] in `[ct]`, see [Codes](codes.md)'
    """
    return _PART.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    code, single, double = match.groups()
    if code is not None:
        return code
    return f"\\[{single}\\]" if single is not None else f"\\[\\[{double}\\]\\]"
