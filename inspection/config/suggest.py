"""Which word was probably meant."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """`"; did you mean coil?"` when a candidate is close to the word, else an empty string."""
    close = get_close_matches(word, list(candidates), n=1)
    if not close:  # a slip of the shift key: 'True' for 'true', 'None' for 'none'
        close = [c for c in candidates if c.lower() == word.lower()]
    return f"; did you mean {close[0]}?" if close else ""


def likely_keys(key: str, known: Sequence[str], most: int = 3) -> list[str]:
    """Dotted keys that were probably meant by one that does not exist, the likeliest first.

    Looked for in this order: a neighbour with a similar name (`trainer.max_epoch`), the same last name
    elsewhere (`lr` for `optimizer.lr`), a similar whole key (`optimzer.lrr`), a similar last name elsewhere.
    """
    parent, _, name = key.rpartition(".")
    split = [(k, *k.rpartition(".")[::2]) for k in known]

    siblings = {n: k for k, p, n in split if p == parent}
    if found := [siblings[n] for n in get_close_matches(name, siblings, n=most)]:
        return found
    if found := [k for k, _, n in split if n == name]:
        return sorted(found, key=lambda k: k.count("."))[:most]
    if found := get_close_matches(key, known, n=1, cutoff=0.75):
        return found
    names = get_close_matches(name, {n for _, _, n in split}, n=1)
    return [k for k, _, n in split if n in names][:most]
