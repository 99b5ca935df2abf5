"""From a trained inspector to files that other runtimes run."""
