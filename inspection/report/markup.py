"""HTML that is escaped by construction: plain text becomes markup in one place alone."""

import json
from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = frozenset({"br", "img", "input", "link", "meta", "hr", "wbr"})
# Controls have no place in HTML, and lone surrogates (file names that are no text) none in UTF-8.
_UNSHOWN = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 127), "�")


class Html(str):
    """Markup; any other `str` is text of somebody's, and is escaped where it enters a page."""

    __slots__ = ()


Child = str | int | Html | Iterable[Any] | None


def text(given: str) -> Html:
    """Text as HTML that shows it.

    Example:
        >>> text('<img src=x onerror="alert(1)">.png')
        '&lt;img src=x onerror=&quot;alert(1)&quot;&gt;.png'
    """
    if isinstance(given, Html):
        return given
    return Html(escape(given.translate(_UNSHOWN).encode("utf-8", "replace").decode("utf-8"), quote=True))


def together(*children: Child) -> Html:
    """Children one after the other; None is nothing."""
    parts: list[str] = []
    for child in children:
        if child is None:
            continue
        if isinstance(child, str):
            parts.append(text(child))
        elif isinstance(child, int):
            parts.append(str(child))
        else:
            parts.append(together(*child))
    return Html("".join(parts))


def element(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """One element.

    Args:
        name: Of the element.
        children: Text (escaped), markup, or lists of these.
        attributes: Their values are escaped; `class_` is `class` and `data_x` is `data-x`. True is a bare name,
            None and False are left out.

    Example:
        >>> element("p", "a < b", class_="note", hidden=True)
        '<p class="note" hidden>a &lt; b</p>'
    """
    opened = [name]
    for key, value in attributes.items():
        written = key.rstrip("_").replace("_", "-")
        if value is True:
            opened.append(written)
        elif value is not None and value is not False:
            opened.append(f'{written}="{text(str(value))}"')
    start = f"<{' '.join(opened)}>"
    return Html(start) if name in _VOID else Html(f"{start}{together(*children)}</{name}>")


def data_block(identity: str, values: Any) -> Html:
    r"""Plain values as a block of JSON that a script reads; nothing in it can end the block.

    Raises:
        ValueError: If a number is NaN or infinite, which JSON does not know.

    Example:
        >>> data_block("names", ["</script>"])
        '<script type="application/json" id="names">["\\u003c/script\\u003e"]</script>'
    """
    # ASCII alone: U+2028 and lone surrogates are written as escapes, too.
    code = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        code = code.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{text(identity)}">{code}</script>')
