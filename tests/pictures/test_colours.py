import math

import pytest

from inspection.pictures.colours import NAMES, OKABE_ITO, attribute_colours, resolve_colour


def test_names_and_numbers():
    assert resolve_colour("#00ff7F") == (0, 255, 127)
    for name, main in (("red", 0), ("green", 1), ("blue", 2)):
        colour = resolve_colour(name)
        assert colour[main] == max(colour)
        assert colour == resolve_colour(f" {name.upper()} ") == NAMES[name]


@pytest.mark.parametrize("colour", ["reddish", "#12345", "#12345g", "", "12,3,4", None])
def test_an_unknown_colour_is_refused_with_what_is_expected(colour):
    with pytest.raises(ValueError, match=r"#rrggbb or one of red, green, blue.*but got"):
        resolve_colour(colour)


def test_given_colours_first_and_then_okabe_and_itos_that_are_unlike_them():
    names = [f"a{index}" for index in range(6)]
    assert list(attribute_colours(names, {}).values()) == list(OKABE_ITO[:6])
    colours = attribute_colours(names, {"a2": "blue"})
    assert list(colours) == names
    assert colours["a2"] == NAMES["blue"]
    assert colours["a0"] == OKABE_ITO[0]
    assert (0, 114, 178) not in colours.values()


def test_twenty_attributes_have_twenty_colours():
    given = {"a3": "red", "a4": "#0072B2"}
    colours = list(attribute_colours([f"a{index}" for index in range(20)], given).values())
    assert len(set(colours)) == 20
    assert min(math.dist(a, b) for a in colours for b in colours if a != b) > 25
    assert len(attribute_colours([str(index) for index in range(50)], given={})) == 50


def test_a_colour_for_an_unknown_attribute_is_refused():
    with pytest.raises(ValueError, match="colours for error, break but got one for 'brake'"):
        attribute_colours(["error", "break"], {"brake": "red"})
