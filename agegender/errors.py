"""The exception for errors that a user can cause and fix."""


class AgeGenderError(Exception):
    """Invalid input. The message names the file or configuration key, the problem and the allowed values.

    Entry points print the message without a traceback.
    """

    def __str__(self) -> str:
        # A data loader repeats the error of a worker process as "Caught ... Traceback ... module.Class: MESSAGE\n".
        return super().__str__().rpartition(f"{type(self).__module__}.{type(self).__qualname__}: ")[2].rstrip()
