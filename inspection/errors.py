"""The one exception for a person's mistake."""


class InputError(ValueError):
    """A mistake in what a person gave: a file, a folder, a config key.

    The message names the file, row or key, what was found, what was expected and what to do. Scripts print
    it without a traceback and end with exit status 2 (`HYDRA_FULL_ERROR=1` shows the traceback).
    """
