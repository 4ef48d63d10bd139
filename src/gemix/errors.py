class GemixError(Exception):
    """A fault the user can act on: bad input, a missing extra, a full disk. The message says what and where.

    The command line prints the message alone and exits with code 1; any other exception is a bug and keeps its traceback.
    """
