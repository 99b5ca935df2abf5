"""Deal groups of samples out to parts so that each part is a small likeness of the whole."""

from collections.abc import Sequence

import numpy as np

from inspection.errors import InputError

# How long to search. A few hundred kinds of groups take a second or two; of more, greed leaves little to mend.
_RESTARTS = 12
_SWEEPS = 20
_KINDS = 2_000  # gone through in all restarts, and in all sweeps of each
_PARTNERS = 128  # groups that one step tries an exchange with
_HANDFULS = 20_000  # groups drawn for the best start of a small part

_COMBINATIONS = 64  # of indicators that are watched, the most frequent ones
# Importance of errors: the size 1, all indicators together 1, all their combinations together this. Most
# combinations are rare, and half an image of one must not outweigh an indicator that is off by several.
_COMBINED = 0.05
# A part without a single positive (or negative) of an indicator has undefined figures: two such gaps are as bad as
# a part of twice its size, so a small part may become larger to have them all.
_ABSENT = 0.5


def deal_out(indicators: np.ndarray, groups: Sequence[str], shares: Sequence[float], seed: int) -> np.ndarray:
    """Deal groups out so that each part has its share of the samples and of every indicator.

    Groups that are alike (single images of one class, say) are dealt by the exact share, and only what is left of
    that goes where it fits: of each kind a part gets the exact number of groups within one. What fits is measured
    by the squared error of the number of samples, of each indicator (of its negatives, too, when it is a yes or
    no) and of their combinations, relative to what is wanted: the rare counts as much as the common. A greedy
    start, the largest group first, is improved by moves and exchanges; the best of a few starts is taken.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the Stratification of Multi-label Data", ECML
    2011) is greedy alone and knows neither groups nor combinations.

    Args:
        indicators: What is to be the same in each part, `[N, S]`: bool, or numbers from 0 up (a count, an area).
            Not exclusive: one-hot classes, attributes, or both side by side.
        groups: Group names, `[N]`; a group is never divided.
        shares: Of each part, P; they are scaled to sum to 1. A part with share 0 stays empty, and no other does.
        seed: The same seed gives the same parts. Another gives others, unless so few groups have one best deal.

    Returns:
        Part of each sample, int64 `[N]`, 0 to P - 1.

    Raises:
        InputError: If there are fewer groups than parts to fill.
        ValueError: If arguments do not fit one another.

    Example:
        >>> labels = np.arange(50)[:, None] % [2, 5] == 0
        >>> part = deal_out(labels, [f"{index}.png" for index in range(50)], (0.6, 0.4), seed=0)
        >>> np.bincount(part).tolist(), labels[part == 1].sum(0).tolist()
        ([30, 20], [10, 4])
    """
    values = np.asarray(indicators, dtype=float)
    _check(values, groups, shares)
    names, group_of = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    wanted = np.flatnonzero(np.asarray(shares) > 0)
    if len(names) < len(wanted):
        raise InputError(
            f"{len(names)} groups can't fill {len(wanted)} parts, and a group is never divided: "
            "use a smaller data.group, or fewer parts in data.split"
        )
    columns, weights, watched = _columns(values)
    of_group = np.zeros((len(names), columns.shape[1]))
    np.add.at(of_group, group_of, columns)
    # Sums of floats in another order differ in the last digit: alike is alike in ten.
    kinds, kind_of, number = np.unique(of_group.round(10), axis=0, return_inverse=True, return_counts=True)
    parts = np.asarray(shares, dtype=float)[wanted] / np.sum(shares)
    dealer = _Dealer(kinds, number, parts, weights, watched & ((of_group > 0).sum(0) >= len(wanted)))

    random = np.random.default_rng(seed)
    best = dealer.best(random)

    part_of = np.empty(len(names), dtype=np.int64)
    order = random.permutation(len(names))  # which of the groups that are alike goes where
    order = order[np.argsort(kind_of[order], kind="stable")]
    part_of[order] = np.repeat(np.tile(wanted, len(kinds)), best.ravel())
    return part_of[group_of]


def _check(values: np.ndarray, groups: Sequence[str], shares: Sequence[float]) -> None:
    if values.ndim != 2 or len(values) != len(groups) or len(values) == 0:
        raise ValueError(
            f"Expected indicators [N, S] of N groups but got {list(values.shape)} of {len(groups)} groups."
        )
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError("Expected indicators of 0 or more but got a negative number or NaN.")
    if min(shares, default=0) < 0 or not 0 < sum(shares) < float("inf"):
        raise ValueError(f"Expected shares of 0 or more with one above 0 but got {list(shares)}.")


def _columns(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is to be shared out: size, indicators, their negatives, their combinations.

    Returns:
        Columns `[N, C]`, the importance of a squared error in each `[C]`, and which no part should lack `[C]`.
    """
    size = np.ones((len(values), 1))
    binary = ((values == 0) | (values == 1)).all(0)
    negatives = 1 - values[:, binary]
    _, member, members = np.unique(values[:, binary], axis=0, return_inverse=True, return_counts=True)
    frequent = np.argsort(-members, kind="stable")[:_COMBINATIONS]
    combinations = (member[:, None] == frequent).astype(float)

    columns = np.concatenate([size, values, negatives, combinations], axis=1)
    single = values.shape[1] + negatives.shape[1]
    often = members[frequent] / len(values)
    weights = np.concatenate([[1.0], np.full(single, 1 / max(1, single)), _COMBINED * often])
    watched = np.zeros(len(weights), dtype=bool)
    watched[: -len(frequent)] = True
    return columns, weights, watched


class _Dealer:
    """Kinds of groups to be dealt out; a deal is the number of groups of each kind in each part, int64 `[K, P]`.

    Args:
        kinds: What a group of each kind brings, `[K, C]`.
        number: Groups of each kind, `[K]`.
        parts: Shares of the parts, `[P]`, all above 0, with sum 1.
        weights: Importance of a squared error in each column, `[C]`.
        required: Columns that no part should lack, bool `[C]`.
    """

    def __init__(
        self,
        kinds: np.ndarray,
        number: np.ndarray,
        parts: np.ndarray,
        weights: np.ndarray,
        required: np.ndarray,
    ) -> None:
        self.kinds, self.number, self.parts = kinds, number, parts
        self.weights, self.required = weights, required
        self.wanted = np.maximum(np.outer(parts, number @ kinds), 1e-12)  # no sample has it: dealt is 0, too
        exact = np.outer(number, parts)
        self.fewest = np.ceil(exact - 1 - 1e-9).astype(np.int64)
        self.most = np.floor(exact + 1 + 1e-9).astype(np.int64)

    def best(self, random: np.random.Generator) -> np.ndarray:
        """The best of a few deals, the first of equals; of one, when there are very many kinds."""
        restarts = int(np.clip(_KINDS // len(self.kinds), 1, _RESTARTS))
        deals = [self._improved(self._filled(self._start(random)), random) for _ in range(restarts)]
        return min(deals, key=self.error)

    def error(self, deal: np.ndarray) -> float:
        """How far a deal is from the exact shares."""
        dealt = deal.T @ self.kinds
        return float(sum(self._error(part, dealt[part]) for part in range(len(self.parts))))

    def _error(self, part: int, dealt: np.ndarray) -> np.ndarray:
        """Error `[...]` of a part that holds `dealt`, `[..., C]`."""
        off = (dealt / self.wanted[part] - 1) ** 2 @ self.weights
        absent = ((dealt < 1e-9) & self.required).sum(-1)
        return self.parts[part] * (off + _ABSENT * absent)  # a sum over the parts that is chi-squared

    def _start(self, random: np.random.Generator) -> np.ndarray:
        """What each part gets in any case; what is left goes, the largest first, where it fits best."""
        deal = self.fewest.copy()
        dealt = deal.T @ self.kinds
        for part in np.argsort(self.parts, kind="stable")[:-1].tolist():
            single = np.flatnonzero((self.number == 1) & (deal.sum(1) == 0))
            chosen = self._handful(part, dealt[part], single, random)
            deal[chosen, part] += 1
            dealt[part] += self.kinds[chosen].sum(0)
        left = random.permutation(np.repeat(np.arange(len(self.kinds)), self.number - deal.sum(1)))
        for kind in left[np.argsort(-self.kinds[left, 0], kind="stable")]:
            open_parts = np.flatnonzero(deal[kind] < self.most[kind]).tolist()
            more = dealt[open_parts] + self.kinds[kind]
            change = [
                self._error(part, after) - self._error(part, dealt[part])
                for part, after in zip(open_parts, more, strict=True)
            ]
            part = open_parts[int(np.argmin(change))]
            deal[kind, part] += 1
            dealt[part] += self.kinds[kind]
        return deal

    def _handful(
        self, part: int, dealt: np.ndarray, free: np.ndarray, random: np.random.Generator
    ) -> np.ndarray:
        """Of random handfuls of free groups, the one that makes the part most like the whole.

        A part of one or two groups is as good as the luck of its draw, and exchanges one by one rarely mend it.
        """
        longest = min(len(free), 2 + round(2 * self.parts[part] * len(free)))
        if longest == 0:
            return free
        draws = max(1, _HANDFULS // longest)
        hands = free[random.random((draws, len(free))).argsort(axis=1)[:, :longest]]
        errors = self._error(part, dealt + self.kinds[hands].cumsum(1))
        draw, last = divmod(int(np.argmin(errors)), longest)
        return hands[draw, : last + 1] if errors[draw, last] < self._error(part, dealt) else free[:0]

    def _filled(self, deal: np.ndarray) -> np.ndarray:
        """Give each empty part the group whose move does least harm."""
        deal = deal.copy()
        for empty in np.flatnonzero(deal.sum(0) == 0).tolist():
            dealt = deal.T @ self.kinds
            harm = np.full(deal.shape, np.inf)
            for part in np.flatnonzero(deal.sum(0) > 1).tolist():
                moved = np.flatnonzero(deal[:, part])
                without = self._error(part, dealt[part] - self.kinds[moved]) - self._error(part, dealt[part])
                harm[moved, part] = without + self._error(empty, dealt[empty] + self.kinds[moved])
            kind, part = divmod(int(np.argmin(harm)), deal.shape[1])
            deal[kind, part] -= 1
            deal[kind, empty] += 1
        return deal

    def _improved(self, deal: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Move and exchange groups while that brings the parts nearer to their shares."""
        deal, dealt = deal.copy(), deal.T @ self.kinds
        sweeps = int(np.clip(_KINDS // len(self.kinds), 1, _SWEEPS))
        for _ in range(sweeps):
            changed = False
            for kind in random.permutation(len(self.kinds))[:_KINDS]:
                for source in np.flatnonzero(deal[kind] > self.fewest[kind]).tolist():
                    changed |= self._step(deal, dealt, kind, source, random)
            if not changed:
                break
        return deal

    def _step(
        self, deal: np.ndarray, dealt: np.ndarray, kind: int, source: int, random: np.random.Generator
    ) -> bool:
        """Move a group of this kind out of a part, or exchange it for another, if that is better; in place."""
        best, found = -1e-12, None
        before = self._error(source, dealt[source])
        for goal in np.flatnonzero(deal[kind] < self.most[kind]).tolist():
            partners = np.flatnonzero(
                (deal[:, goal] > self.fewest[:, goal]) & (deal[:, source] < self.most[:, source])
            )
            partners = partners[partners != kind]
            if len(partners) > _PARTNERS:
                partners = random.choice(partners, _PARTNERS, replace=False)
            given = self.kinds[kind] - self.kinds[partners]
            if deal[:, source].sum() > 1:  # a move must not leave the part empty
                given = np.concatenate([given, self.kinds[kind][None]])
                partners = np.append(partners, -1)
            if not len(partners):
                continue
            change = self._error(source, dealt[source] - given) + self._error(goal, dealt[goal] + given)
            change -= before + self._error(goal, dealt[goal])
            at = int(np.argmin(change))
            if change[at] < best:
                best, found = change[at], (goal, partners[at], given[at])
        if found is None:
            return False
        goal, partner, difference = found
        across = (
            np.eye(len(self.parts), dtype=np.int64)[goal] - np.eye(len(self.parts), dtype=np.int64)[source]
        )
        deal[kind] += across
        if partner >= 0:
            deal[partner] -= across
        dealt[source] -= difference
        dealt[goal] += difference
        return True
