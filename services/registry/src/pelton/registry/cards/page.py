"""A card as a page: Markdown in which raw HTML is text and no link runs anything."""

from html import escape
from typing import Final

from markdown_it import MarkdownIt

STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "th,td{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}code{overflow-wrap:anywhere}"
)
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""The content security policy to send the page with: it may look as it does, and load and run nothing."""

_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def page(title: str, body: str) -> str:
    """The HTML document of a card's body."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{_markdown.render(body)}</body></html>"
    )
