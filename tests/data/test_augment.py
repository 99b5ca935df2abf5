from dataclasses import fields

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from inspection.data.augment import Augment, Changes
from inspection.errors import InputError

EVERYTHING = {
    "rotation": 10.0,
    "horizontal_flip": 0.5,
    "vertical_flip": 0.5,
    "roll": 0.5,
    "crop_padding": 3,
    "gain": [0.8, 1.2],
    "offset": [0, 15],
    "light_probability": 0.7,
    "saturation": 0.3,
    "hue": 0.1,
    "blur": [0.3, 1.0],
    "blur_probability": 0.5,
}
OFF = {"gain": [1, 1], "offset": [0, 0], "blur": [0, 0]}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(count=8, channels=1, height=20, width=28, seed=0):
    """Images without two equal rows, columns or windows."""
    return torch.randint(
        0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator(seed)
    )


def same(images, others):
    """Which images are equal to the others, bool [N]."""
    return (images == others).flatten(1).all(1)


class TestWhatIsLeftAlone:
    def test_nothing_asked_for_changes_nothing(self):
        images = noise()
        assert not Augment().enabled
        assert Augment()(images, generator()) is images

    @pytest.mark.parametrize("part", [{"gain": [0.5, 2]}, {"blur": [1, 2]}])
    def test_probability_zero_switches_off(self, part):
        name = {"gain": "light", "blur": "blur"}[next(iter(part))]
        assert Augment(**part).enabled
        assert not Augment(**part, **{f"{name}_probability": 0.0}).enabled

    def test_nothing_drawn_hands_back_the_very_tensor(self):
        images = noise(1)
        augment = Augment(horizontal_flip=1e-9, blur=[1, 2], blur_probability=1e-9)
        assert augment.enabled
        assert augment(images, generator()) is images

    def test_the_given_images(self):
        images = noise(8, 3)
        before = images.clone()
        changed = Augment(**EVERYTHING)(images, generator())
        assert not same(changed, images).any()
        assert torch.equal(images, before)


class TestDraws:
    def test_the_generator_decides(self):
        images, augment = noise(8, 3), Augment(**EVERYTHING)
        assert torch.equal(augment(images, generator(1)), augment(images, generator(1)))
        assert not torch.equal(augment(images, generator(1)), augment(images, generator(2)))

    @pytest.mark.parametrize("name", EVERYTHING)
    def test_switching_a_part_off_leaves_the_others(self, name):
        everything = Augment(**EVERYTHING).draw(50, generator())
        less = Augment(**(EVERYTHING | {name: OFF.get(name, 0)})).draw(50, generator())
        own = {
            "horizontal_flip": ["left_right"],
            "vertical_flip": ["upside_down"],
            "crop_padding": ["shift"],
            "light_probability": ["gain", "offset"],
            "blur": ["sigma"],
            "blur_probability": ["sigma"],
        }.get(name, [name])
        for field in fields(Changes):
            equal = torch.equal(getattr(everything, field.name), getattr(less, field.name))
            assert equal == (field.name not in own), field.name

    def test_are_uniform_and_of_each_other_independent(self):
        drawn = Augment(**(EVERYTHING | {"light_probability": 1.0, "blur_probability": 1.0})).draw(
            20_000, generator()
        )
        # The share of its range that each value lies at.
        spread = {
            "rotation": (drawn.rotation + 10) / 20,
            "gain": (drawn.gain - 0.8) / 0.4,
            "offset": drawn.offset / 15,
            "saturation": (drawn.saturation - 0.7) / 0.6,
            "hue": (drawn.hue + 0.1) / 0.2,
            "sigma": (drawn.sigma - 0.3) / 0.7,
            "down": (drawn.shift[:, 0] + 3.5) / 7,
            "right": (drawn.shift[:, 1] + 3.5) / 7,
        }
        for name, values in spread.items():
            counts = np.bincount((values.clamp(0, 0.9999) * 7).long().numpy(), minlength=7)
            assert len(counts) == 7, name
            assert chisquare(counts).pvalue > 1e-3, name
        coins = [drawn.left_right, drawn.upside_down, drawn.roll > 0]
        for coin in coins:
            assert abs(coin.float().mean() - 0.5) < 0.02
        columns = torch.stack([*spread.values(), *(coin.float() for coin in coins)])
        assert (torch.corrcoef(columns) - torch.eye(len(columns))).abs().max() < 0.03
        rolled = drawn.roll[drawn.roll > 0].numpy()
        others = columns[:-1, drawn.roll > 0].numpy()
        assert max(abs(np.corrcoef(rolled, other)[0, 1]) for other in others) < 0.05
        assert chisquare(np.bincount((rolled * 10).astype(int), minlength=10)).pvalue > 1e-3

    def test_share_of_images_in_another_light_and_blurred(self):
        drawn = Augment(**EVERYTHING).draw(5000, generator())
        lit = drawn.gain != 1
        assert abs(lit.float().mean() - 0.7) < 0.03
        assert not drawn.offset[~lit].any()
        assert (drawn.offset[lit] > 0).float().mean() > 0.99
        assert abs((drawn.sigma > 0).float().mean() - 0.5) < 0.03

    def test_an_image_is_changed_by_its_own_draw_alone(self):
        images = noise(6, 3)
        drawn = Augment(**EVERYTHING).draw(6, generator())
        together = drawn.of_images(images)
        for row in range(6):
            alone = Changes(**{f.name: getattr(drawn, f.name)[row : row + 1] for f in fields(Changes)})
            difference = alone.of_images(images[row : row + 1]).int() - together[row : row + 1].int()
            assert difference.abs().max() <= 1


class TestMovesOfWholePixels:
    def test_flips_are_drawn_for_each_image(self):
        images = noise(64)
        changed = Augment(horizontal_flip=0.5)(images, generator())
        mirrored = same(changed, images.flip(-1))
        assert (same(changed, images) ^ mirrored).all()
        assert 16 < int(mirrored.sum()) < 48
        assert torch.equal(Augment(vertical_flip=1.0)(images, generator()), images.flip(-2))

    def test_crop_takes_each_window_of_the_padded_image_equally_often(self):
        image = noise(1, 3, 8, 9)
        changed = Augment(crop_padding=2)(image.expand(2500, -1, -1, -1), generator())
        padded = np.pad(image[0].numpy(), ((0, 0), (2, 2), (2, 2)))
        counts = [
            int(same(changed, torch.from_numpy(padded[:, top : top + 8, left : left + 9])).sum())
            for top in range(5)
            for left in range(5)
        ]
        assert sum(counts) == 2500
        assert chisquare(counts).pvalue > 1e-3

    def test_roll_puts_an_upper_part_at_the_bottom(self):
        images = noise(64, 1, 20, 28)
        augment = Augment(roll=0.5)
        changed = augment(images, generator()).numpy()
        heights = [
            next(h for h in range(20) if np.array_equal(np.roll(before, -h, axis=1), after))
            for before, after in zip(images.numpy(), changed, strict=True)
        ]
        assert 16 < heights.count(0) < 48
        assert len(set(heights)) > 8
        row = heights.index(max(heights))
        assert np.array_equal(changed[row, 0, -heights[row] :], images[row, 0, : heights[row]].numpy())

    def test_all_together_against_numpy(self):
        images = noise(40, 3)
        drawn = Augment(horizontal_flip=0.5, vertical_flip=0.5, roll=0.7, crop_padding=5).draw(
            40, generator()
        )
        changed = drawn.of_images(images).numpy()
        for row, image in enumerate(images.numpy()):
            expected = np.roll(image, -int(drawn.roll[row] * 20), axis=1)
            expected = expected[:, ::-1] if drawn.upside_down[row] else expected
            expected = expected[:, :, ::-1] if drawn.left_right[row] else expected
            down, right = drawn.shift[row].tolist()
            padded = np.pad(expected, ((0, 0), (5, 5), (5, 5)))
            expected = padded[:, 5 - down : 25 - down, 5 - right : 33 - right]
            assert np.array_equal(changed[row], expected), row


def test_gain_and_offset_by_hand():
    images = noise(50)
    drawn = Augment(gain=[0.5, 1.5], offset=[-30, 30]).draw(50, generator())
    gain, offset = drawn.gain.numpy(), drawn.offset.numpy()
    expected = images.numpy() * gain[:, None, None, None] + offset[:, None, None, None]
    changed = drawn.of_images(images)
    assert changed.dtype == torch.uint8
    assert changed.min() == 0
    assert changed.max() == 255
    assert np.array_equal(changed.numpy(), expected.round().clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["plain", "turned", "channels_last", "expanded"])
def test_any_layout_in_memory(channels, layout):
    images = noise(4, channels)
    settings = EVERYTHING | ({"saturation": 0, "hue": 0} if channels == 1 else {})
    given = {
        "plain": images,
        "turned": images.transpose(2, 3).contiguous().transpose(2, 3),
        "channels_last": images.to(memory_format=torch.channels_last),
        "expanded": images[:1].expand(4, -1, -1, -1),
    }[layout]
    expected = Augment(**settings)(given.contiguous(), generator())
    changed = Augment(**settings)(given, generator())
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    assert torch.equal(changed, expected)
    assert Augment(**settings)(given[:1], generator()).shape == images[:1].shape


class TestMasks:
    def test_whole_pixels_move_as_in_the_image(self):
        images = noise(30)
        moves = {"horizontal_flip": 0.5, "vertical_flip": 0.5, "roll": 0.5, "crop_padding": 4}
        drawn = Augment(**moves).draw(30, generator())
        moved = drawn.of_images(images)
        assert torch.equal(drawn.of_masks(images), moved)
        assert torch.equal(drawn.of_masks(images[:, 0].long()), moved[:, 0].long())
        assert torch.equal(drawn.of_masks(images[:, 0] > 99), moved[:, 0] > 99)

    def test_rotated_masks_cover_the_rotated_parts(self):
        y, x = torch.meshgrid(torch.arange(80), torch.arange(100), indexing="ij")
        parts = [((x - 30) ** 2 + (y - 30) ** 2 < 200), (x > 60) & (x < 90) & (y > 40) & (y < 60)]
        masks = (parts[0] * 1 + parts[1] * 7).expand(12, -1, -1)
        drawn = Augment(rotation=30.0, horizontal_flip=0.5).draw(12, generator())
        moved = drawn.of_masks(masks)
        assert moved.dtype == torch.int64
        assert set(moved.unique().tolist()) == {0, 1, 7}
        for label in (1, 7):
            shown = drawn.of_images((masks == label)[:, None] * torch.tensor(255, dtype=torch.uint8))[:, 0]
            inside, covered = shown > 127, moved == label
            iou = (inside & covered).sum((1, 2)) / (inside | covered).sum((1, 2))
            assert iou.min() > 0.97

    def test_light_leaves_them(self):
        masks = noise(4)[:, 0]
        drawn = Augment(gain=[0.5, 1.5], blur=[1, 2]).draw(4, generator())
        assert torch.equal(drawn.of_masks(masks), masks)


class TestMistakes:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"horizontal_flip": 1.5},
            {"rotation": -1},
            {"roll": 2},
            {"crop_padding": -1},
            {"gain": [1.2, 0.8]},
            {"gain": [1.0]},
            {"offset": [0, 300]},
            {"light_probability": -0.1},
            {"hue": 0.6},
            {"saturation": 2},
            {"blur": [-1, 1]},
        ],
    )
    def test_amounts_out_of_range_are_named(self, wrong):
        with pytest.raises(ValueError, match=f"data.augment.{next(iter(wrong))}="):
            Augment(**wrong)

    @pytest.mark.parametrize("part", [{"saturation": 0.2}, {"hue": 0.1}])
    def test_colour_of_grey_images(self, part):
        with pytest.raises(InputError, match=r"the images have 1 channel; set both to 0"):
            Augment(**part)(noise(), generator())

    def test_a_crop_that_could_miss_the_image(self):
        with pytest.raises(InputError, match="crop_padding: an image of 20x28 pixels"):
            Augment(crop_padding=200)(noise(), generator())

    @pytest.mark.parametrize(
        ("part", "channels"), [({"saturation": 0.2}, 1), ({"hue": 0.1}, 1), ({"crop_padding": 20}, 3)]
    )
    def test_what_the_images_cannot_have_is_known_beforehand(self, part, channels):
        with pytest.raises(InputError, match=f"data.augment.{next(iter(part))}"):
            Augment(**part).check(channels, (20, 28))

    def test_what_the_images_can_have(self):
        Augment(**(EVERYTHING | {"crop_padding": 19})).check(3, (20, 28))
        Augment(**(EVERYTHING | {"saturation": 0, "hue": 0})).check(1, (20, 28))
