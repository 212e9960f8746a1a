"""The one error that a person can cause and mend."""


class AgeGenderError(Exception):
    """Bad input: the message names the file or key, what is wrong with it and what is allowed.

    Entry points print it as it stands, without a traceback.
    """
