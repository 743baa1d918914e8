"""The one exception that is the user's to mend; every module may import this leaf."""


class InputError(ValueError):
    """A mistake in what the user gave: a file, an option, a config, an array.

    The message names the thing, the value seen, the place and the cure. The command line prints it without a
    traceback and exits with code 2.
    """
