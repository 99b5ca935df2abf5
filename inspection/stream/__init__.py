"""From a camera to verdicts without losing count: a bounded pipeline. Knows neither torch nor Hydra."""
