"""Equations of the pages as MathML, which browsers draw by themselves: the site needs no script from the network."""

import re
from typing import Any

from latex2mathml.converter import convert

EQUATION = re.compile(r'<(div|span) class="arithmatex">\\[\[(](.*?)\\[\])]</\1>', re.DOTALL)
ENTITIES = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}


def on_page_content(html: str, **_: Any) -> str:
    """Replace the TeX of every equation of a page; mkdocs calls this."""
    return EQUATION.sub(lambda found: _mathml(found.group(2), block=found.group(1) == "div"), html)


def _mathml(tex: str, block: bool) -> str:
    for entity, character in ENTITIES.items():
        tex = tex.replace(entity, character)
    return convert(tex.strip(), display="block" if block else "inline")
