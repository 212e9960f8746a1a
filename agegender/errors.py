"""The exception for errors that a user can cause and fix."""


class AgeGenderError(Exception):
    """Invalid input. The message names the file or configuration key, the problem and the allowed values.

    Entry points print the message without a traceback.
    """
