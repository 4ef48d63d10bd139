class GemixError(Exception):
    """A fault the user can act on: bad input, a missing extra, a full disk. The message says what and where.

    The command line prints the message alone and exits with code 1; other exceptions are bugs and keep their traceback.
    """
