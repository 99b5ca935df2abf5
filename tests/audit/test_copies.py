import cv2
import numpy as np
import pytest

from inspection.audit.copies import (
    ALIKE,
    SIDE,
    close_hashes,
    connected,
    correlations,
    fine_detail,
    near_copies,
    perceptual_hashes,
    unrelated,
)


def texture(seed, side=SIDE + 12):
    """A rough surface, float32, larger than a thumbnail."""
    random = np.random.default_rng(seed)
    noise = random.normal(0, 1, (side, side)).astype(np.float32)
    return 128 + 60 * cv2.GaussianBlur(noise, (0, 0), 1.2) / 0.25


def cut(surface, top=6, left=6):
    return surface[top : top + SIDE, left : left + SIDE].clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def surfaces():
    return [texture(seed) for seed in range(60)]


def found(pictures):
    copies = near_copies(np.stack(pictures))
    assert (np.diff(copies.alike) <= 0).all()
    assert not copies.cut
    return {tuple(pair) for pair in copies.pairs.tolist()}


def darker(surface):
    return surface * 0.55 + 5


def moved(surface):
    return np.roll(surface, (1, -1), (0, 1))


def lit_from_the_side(surface):
    return surface * np.linspace(0.5, 1.1, surface.shape[1], dtype=np.float32)


def noisy(surface):
    return surface + np.random.default_rng(9).normal(0, 6, surface.shape)


def saved_as_jpeg(surface):
    done, data = cv2.imencode(".jpg", surface.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 60])
    assert done
    return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE).astype(np.float32)


@pytest.mark.parametrize("change", [darker, moved, lit_from_the_side, noisy, saved_as_jpeg])
def test_another_picture_of_the_same_surface_is_found(surfaces, change):
    pictures = [cut(surface) for surface in surfaces]
    assert found([*pictures, cut(change(surfaces[7]))]) == {(7, 60)}


def test_surfaces_of_one_kind_are_no_copies(surfaces):
    assert found([cut(surface) for surface in surfaces]) == set()


def test_blank_and_almost_blank_pictures_are_not_told_apart():
    random = np.random.default_rng(0)
    blank = [np.full((SIDE, SIDE), 200, np.uint8) for _ in range(3)]
    grainy = [random.normal(120, 0.5, (SIDE, SIDE)).astype(np.uint8) for _ in range(30)]
    assert found([*blank, *grainy]) == set()


def test_what_all_pictures_have_in_common_does_not_make_them_copies(surfaces):
    """A fixed camera: the fixture fills three quarters of each picture, and each part is another one."""
    fixture = cut(texture(1000))
    pictures = []
    for surface in surfaces:
        picture = fixture.copy()
        picture[:24, :24] = cut(surface)[:24, :24]
        pictures.append(picture)
    again = pictures[3].copy()
    again[:24, :24] = (again[:24, :24] * 0.7).astype(np.uint8)
    assert found([*pictures, again]) == {(3, 60)}


def test_few_pictures():
    one = cut(texture(1))
    assert found([one]) == set()
    assert found([one, cut(texture(2)), cut(darker(texture(1)))]) == {(0, 2)}


def pins(random):
    """A part that lies alike each time: two pins, each somewhat bent, on a base, before a plain background."""
    picture = np.full((4 * SIDE, 4 * SIDE), 200, np.uint8)
    place = random.normal(0, 1.5, 2)
    cv2.rectangle(picture, (24, 160), (168, 191), 30, -1)
    for left in (72, 120):
        bent = random.normal(0, 2) + (random.random() < 0.3) * random.normal(0, 16)
        foot, tip = (left + place[0], 160.0), (left + place[0] + bent, 40 + place[1])
        ends = [tuple(round(16 * value) for value in end) for end in (foot, tip)]
        cv2.line(picture, ends[0], ends[1], 50, 9, cv2.LINE_AA, 4)
    small = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return (small + random.normal(0, 1.5, small.shape)).clip(0, 255).astype(np.uint8)


def test_parts_that_lie_alike_are_no_copies_and_copies_among_them_are_found():
    """The fine detail is their edges, and of some pair these fall together."""
    random = np.random.default_rng(4)
    parts = np.stack([pins(random) for _ in range(400)])
    copies = near_copies(parts, partners=1000)
    assert copies.least > 0.75
    assert len(copies.pairs) == 0
    darker_again = (parts[7] * 0.8).astype(np.uint8)
    again = near_copies(np.concatenate([parts, darker_again[None]]), partners=1000)
    assert again.pairs.tolist() == [[7, 400]]


def test_surfaces_keep_the_least_threshold_whatever_is_drawn(surfaces):
    detail = fine_detail(np.stack([cut(surface) for surface in surfaces]))
    detail -= detail.mean(0)
    assert {unrelated(detail, seed) for seed in range(5)} == {ALIKE[0]}


def test_the_threshold_is_where_unrelated_pairs_end():
    """Images of a few numbers only are alike by chance; the highest of all pairs lies about at the threshold."""
    random = np.random.default_rng(0)
    basis = np.stack([cut(texture(seed)) for seed in range(24)]).astype(np.float32) - 128
    images = np.einsum("nk,khw->nhw", random.normal(size=(300, 24)).astype(np.float32), basis)
    least = unrelated(images)
    assert ALIKE[0] < least < ALIKE[1]
    normal = images.reshape(300, -1) / np.linalg.norm(images.reshape(300, -1), axis=1, keepdims=True)
    highest = np.triu(normal @ normal.T, 1).max()
    assert highest - 0.05 < least


def test_a_copy_among_many_that_are_alike_is_found_and_that_there_may_be_more_is_said(surfaces):
    """Two layouts, a little of each picture its own: within a layout all hashes are close."""
    layouts = [cut(texture(seed)).astype(np.float32) for seed in (500, 501)]
    random = np.random.default_rng(0)
    pictures = []
    for number in range(300):
        own = cut(texture(1000 + number)).astype(np.float32) - 128
        pictures.append((layouts[number % 2] + 0.7 * own + random.normal(0, 2, own.shape)).clip(0, 255))
    pictures.append(pictures[11] * 0.8 + 4)
    copies = near_copies(np.stack(pictures).astype(np.uint8), partners=20)
    assert copies.cut
    assert [11, 300] in copies.pairs.tolist()


def test_a_search_whose_time_is_over_says_so(surfaces):
    pictures = np.stack([cut(surface) for surface in [*surfaces, darker(surfaces[7])]])
    told = []
    whole = near_copies(pictures, progress=lambda done, total: told.append((done, total)))
    assert whole.pairs.tolist() == [[7, 60]]
    assert not whole.cut
    assert told[-1][0] == told[-1][1] > 0
    none = near_copies(pictures, until=0.0)
    assert len(none.pairs) == 0
    assert none.cut


def test_light_is_gone_from_fine_detail(surfaces):
    plain, dark = fine_detail(np.stack([cut(surfaces[0]), cut(darker(surfaces[0]))]))
    assert np.corrcoef(plain.ravel(), dark.ravel())[0, 1] > 0.97
    assert abs(plain.mean()) < 0.05


def test_hashes_are_those_of_a_plain_cosine_transform(surfaces):
    image = fine_detail(np.stack([cut(surfaces[0])]))
    low = cv2.dct(image[0])[1:9, 1:9].ravel()
    expected = np.packbits(low > np.median(low)).view(np.uint64)
    assert perceptual_hashes(image).tolist() == expected.tolist()


def test_close_hashes_are_those_of_a_loop():
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, 60, dtype=np.uint64)
    hashes = np.concatenate([hashes, hashes[:20] ^ np.uint64(0b1011), hashes[:3]])
    expected = [
        [i, j]
        for i in range(len(hashes))
        for j in range(i + 1, len(hashes))
        if (int(hashes[i]) ^ int(hashes[j])).bit_count() <= 3
    ]
    pairs, cut = close_hashes(hashes, 3, 100)
    assert sorted(pairs.tolist()) == expected
    assert not cut


def test_close_hashes_across_blocks():
    hashes = np.arange(3000, dtype=np.uint64) << np.uint64(20)
    hashes[2999] = hashes[1]
    assert [1, 2999] in close_hashes(hashes, 0, 5)[0].tolist()
    assert close_hashes(hashes[:0], 3, 5)[0].shape == (0, 2)


def test_of_many_that_are_alike_each_has_a_few_partners():
    hashes = np.zeros(2500, np.uint64)
    hashes[7] = 1
    pairs, cut = close_hashes(hashes, 3, 4)
    assert cut
    assert len(pairs) == 4 * 2496 + 3 + 2 + 1
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert 7 not in pairs[:, 1]  # there are closer ones
    assert len(set(connected(pairs, 2500).tolist())) == 1


def test_correlation_is_the_best_over_shifts(surfaces):
    images = np.stack([cut(surfaces[0]), cut(surfaces[0], 8, 4), cut(surfaces[1])]).astype(np.float32)
    same, other = correlations(images, np.array([[0, 1], [0, 2]]))
    assert same == pytest.approx(1, abs=1e-3)
    assert other < 0.3


def test_groups_are_connected_through_others():
    pairs = np.array([[4, 2], [2, 7], [0, 1]])
    assert connected(pairs, 8).tolist() == [0, 0, 2, 3, 2, 5, 6, 2]
    assert connected(np.zeros((0, 2), np.int64), 3).tolist() == [0, 1, 2]
