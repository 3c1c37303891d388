"""A page of a report, read as strictly as a browser is lenient."""

from __future__ import annotations

from html.parser import HTMLParser

_VOID = {"meta", "img", "br"}
_BLOCKS = {"p", "div", "section", "table", "ul", "dl", "h1", "h2", "h3", "figure", "main"}


class HtmlPage(HTMLParser):
    """Fails unless every element is closed in order; collects what a test asks for.

    Attributes
    ----------
    elements
        (tag, attributes) of every element in order.
    addresses
        Values of all attributes that make a browser load something.
    text
        Visible text and the title, spaces joined.
    styles
        Contents of the ``style`` elements.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        assert page.startswith("<!DOCTYPE html>")
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.addresses: list[str | None] = []
        self.styles: list[str] = []
        self._words: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        names = [name for name, _ in attributes]
        assert len(set(names)) == len(names), f"<{tag}> has an attribute twice"
        assert not ("p" in self.open and tag in _BLOCKS), f"<{tag}> in a paragraph would end it"
        self.elements.append((tag, dict(attributes)))
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "xlink:href")]
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        assert "svg" in self.open, f"<{tag}/> is closed at once, which HTML does not know"
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.styles.append(data)
        else:
            self._words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self._words).split())

    def count(self, tag: str) -> int:
        """How many elements of a kind there are."""
        return sum(name == tag for name, _ in self.elements)
