"""A stand-in for Colab's own module: it is there, and whoever touches it is told off."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise AssertionError(f"a notebook of the book touches google.colab.{name}")
