"""Types for constructor arguments that name the files a run reads, and that let it make them.

The configuration recognizes them in the signature of a class: a relative path becomes absolute when a run starts, may change
when the run is resumed, and does not make two runs different when they are compared. An argument that names a place to
write to has the type ``str | Path``.
"""

from pathlib import Path

# A file. It may move, but its name stays: two runs with weights of different names are different.
# A relative path is looked for in the InputFolder of the same or an enclosing object first, such as the root of a dataset.
InputFile = str | Path
# A folder, such as the root of a dataset. It may move and be renamed.
InputFolder = str | Path
# Whether a dataset that is missing is downloaded or drawn. A run that is resumed or evaluated does neither, unless the command
# line says so: others may have written its configuration.
MakesMissing = bool
