"""Docstrings name functions as Sphinx does, :func:`load_model`; the site shows the name alone."""

import re
from typing import Any

ROLE = re.compile(r":(?:func|meth|class|mod):(?=<code>)")


def on_page_content(html: str, **_: Any) -> str:
    """Drop the roles of a page; mkdocs calls this."""
    return ROLE.sub("", html)
