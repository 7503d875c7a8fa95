"""Every error this library raises on purpose.

MmrasError
├── VideoError        the file cannot be opened, decoded or written
├── CheckpointError   the weights do not fit the model
├── DownloadError     published weights cannot be fetched
├── PluginError       a named plugin is unknown or broken
├── SettingsError     a setting is impossible or contradicts another
├── OutputError       a result cannot be written where it was asked for
└── DataError         training or evaluation data are not what they should be
"""


class MmrasError(Exception):
    """Base class; the CLI prints its message and exits with status 1."""


class VideoError(MmrasError):
    """The file cannot be opened, decoded or written."""


class CheckpointError(MmrasError):
    """The weights do not fit the model."""


class DownloadError(MmrasError):
    """Published weights cannot be fetched."""


class PluginError(MmrasError):
    """A named plugin is unknown or broken."""


class SettingsError(MmrasError):
    """A setting is impossible or contradicts another."""


class OutputError(MmrasError):
    """A result cannot be written where it was asked for."""


class DataError(MmrasError):
    """Training or evaluation data are not what they should be."""
