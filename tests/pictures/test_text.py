import numpy as np
import pytest
from PIL import Image, ImageDraw

from inspection.pictures import text
from inspection.pictures.text import draw_text, drawable, line_height, shorten, text_width, title_bar


def paper(height=40, width=300):
    return np.full((height, width, 3), 255, np.uint8)


def ink_box(picture):
    rows, columns = np.where((picture < 250).any(axis=2))
    return rows.min(), rows.max(), columns.min(), columns.max()


def test_letters_with_accents_are_drawn_as_themselves():
    drawn = []
    for word in ("a", "ä", "Ж", "ß"):
        picture = paper()
        draw_text(picture, word, (5, 5))
        drawn.append(picture)
    for index, picture in enumerate(drawn):
        assert (picture < 128).any()
        assert not any(np.array_equal(picture, other) for other in drawn[index + 1 :])


def test_a_letter_no_font_has_is_a_box_and_never_an_error(monkeypatch):
    monkeypatch.setattr(text, "_system_fonts", lambda: ())
    text._font_for.cache_clear()
    missing, box = paper(), paper()
    draw_text(missing, "Spule_検査", (5, 5))
    draw_text(box, "Spule_□□", (5, 5))
    text._font_for.cache_clear()
    assert np.array_equal(missing, box)
    assert drawable("検 äЖ") == "□ äЖ"


def test_control_characters_do_not_break_the_line():
    broken, spaced = paper(), paper()
    draw_text(broken, "a\nb\tc", (5, 5))
    draw_text(spaced, "a b c", (5, 5))
    assert np.array_equal(broken, spaced)


@pytest.mark.parametrize(("anchor", "expected"), [("la", 150), ("ra", 150), ("ma", 150)])
def test_anchors(anchor, expected):
    picture = paper()
    draw_text(picture, "HHHH", (150, 10), anchor=anchor)
    _, _, left, right = ink_box(picture)
    place = {"l": left, "r": right, "m": (left + right) / 2}[anchor[0]]
    assert abs(place - expected) <= 2


def test_the_bottom_anchor_stays_inside():
    picture = paper(20)
    draw_text(picture, "gjpq", (5, 20), height=12, anchor="ld")
    assert ink_box(picture)[1] <= 19


def drawn_on_the_whole(picture, words, place, height, bold, anchor):
    """Pillow on all of the picture at once, runs and places as in `draw_text`."""
    width = text_width(words, height, bold=bold)
    ascent, descent = text._font(text._dejavu(bold), height).getmetrics()
    x = place[0] - {"l": 0.0, "m": width / 2, "r": width}[anchor[0]]
    baseline = place[1] + {"a": ascent, "m": (ascent - descent) / 2, "d": -descent}[anchor[1]]
    image = Image.fromarray(picture)
    for run, font in text._runs(words, height, bold):
        ImageDraw.Draw(image).text((x, baseline), run, fill=text.INK, font=font, anchor="ls")
        x += font.getlength(run)
    return np.asarray(image)


def test_the_text_is_that_of_a_whole_picture_wherever_it_stands():
    random = np.random.default_rng(0)
    background = random.integers(0, 256, (90, 160, 3)).astype(np.uint8)
    for number in range(120):
        words = ("ÄẤ̂j_|", "break 0.97", "W検査 f", "", "q")[number % 5]
        place = (random.uniform(-40, 200), random.uniform(-30, 120))
        height, bold = int(random.integers(8, 30)), bool(number % 2)
        anchor = "lmr"[number % 3] + "amd"[number // 3 % 3]
        # A part of a larger picture, as the panels are.
        picture = np.zeros((100, 180, 3), np.uint8)[5:95, 7:167]
        picture[:] = background
        draw_text(picture, words, place, height=height, bold=bold, anchor=anchor)
        expected = drawn_on_the_whole(background, words, place, height, bold, anchor)
        np.testing.assert_array_equal(picture, expected, err_msg=f"{words} {place} {height} {anchor}")


def test_a_line_costs_its_own_pixels_alone(monkeypatch):
    copied = []
    monkeypatch.setattr(
        text.Image,
        "fromarray",
        lambda part, original=Image.fromarray: copied.append(part.size) or original(part),
    )
    draw_text(paper(2000, 2000), "good", (900, 900))
    assert copied[0] < 100 * 100 * 3


def test_width_is_that_of_the_ink():
    picture = paper()
    draw_text(picture, "HxxxH", (20, 5), height=16)
    _, _, left, right = ink_box(picture)
    assert abs(text_width("HxxxH", 16) - (right - left)) <= 4


@pytest.mark.parametrize("width", [30, 80, 200])
@pytest.mark.parametrize("bold", [False, True])
def test_long_names_lose_their_middle_and_fit(width, bold):
    name = "line_3/2026-11-21/camera_left/Spule_äöü_000123_bent.png"
    short = shorten(name, width, bold=bold)
    assert text_width(short, bold=bold) <= width
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    # one letter more would not fit
    assert text_width(name[: len(head) + 1] + "…" + tail, bold=bold) > width - 15


def test_short_names_stay():
    assert shorten("bent.png", 300) == "bent.png"
    assert shorten("bent.png", 1) == "…"
    assert shorten("", 10) == ""


def test_the_bar_lies_above_the_unchanged_picture():
    picture = np.arange(20 * 90 * 3, dtype=np.uint32).astype(np.uint8).reshape(20, 90, 3)
    titled = title_bar(picture, ["a very long name that does not fit.png", "defect 0.97"])
    assert titled.shape[1:] == (90, 3)
    assert titled.shape[0] >= 20 + 2 * line_height()
    assert np.array_equal(titled[-20:], picture)
    assert title_bar(picture, []) is picture
