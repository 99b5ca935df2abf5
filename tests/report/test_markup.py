import json

import pytest

from inspection.report.markup import Html, data_block, element, text, together


def test_text_is_escaped_wherever_it_enters():
    nasty = "<img src=x onerror=alert(1)>"

    assert element("p", nasty) == "<p>&lt;img src=x onerror=alert(1)&gt;</p>"
    assert element("p", [nasty, [nasty]]).count("<img") == 0
    assert element("img", alt='"><script>') == '<img alt="&quot;&gt;&lt;script&gt;">'
    assert together("a & b", None, 3, Html("<b>")) == "a &amp; b3<b>"


def test_text_that_utf8_can_not_write_is_still_shown():
    broken = b"part_\xff\x00.png".decode("utf-8", "surrogateescape")

    assert text(broken).encode("utf-8").decode("utf-8") == "part_?\N{REPLACEMENT CHARACTER}.png"


def test_joined_markup_is_text_again():
    # `Html + str` is plain text, which is escaped once more: it looks wrong, but it is never a hole.
    assert element("p", Html("<b>") + "<i>") == "<p>&lt;b&gt;&lt;i&gt;</p>"


def test_attributes():
    assert element("input", type="range", hidden=True, disabled=False, id=None, aria_label="x") == (
        '<input type="range" hidden aria-label="x">'
    )
    assert element("label", "a", for_="b", class_="c") == '<label for="b" class="c">a</label>'


def test_a_data_block_can_not_be_ended_from_inside():
    values = {"names": ["</script><!--", "a\u2028b\u2029c", "ä & ö", "\ud800"]}

    block = data_block("names", values)

    start, _, rest = block.partition(">")
    inside, _, end = rest.rpartition("<")
    assert start == '<script type="application/json" id="names"'
    assert end == "/script>"
    assert not set("<>&\u2028\u2029") & set(inside)
    assert inside.isascii()
    assert json.loads(inside) == values


def test_json_without_undefined_numbers():
    with pytest.raises(ValueError, match="JSON"):
        data_block("x", float("nan"))
