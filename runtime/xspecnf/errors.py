"""The errors that a user can cause; each message names the file, what was found and what to do."""


class XspecnfError(Exception):
    """Base of every error that xspecnf raises on purpose."""


class InputError(XspecnfError):
    """A spectrum, response or background that cannot be used as it is."""


class BundleError(XspecnfError):
    """A model bundle that is damaged, incomplete or of an unknown schema."""


class ProviderError(XspecnfError):
    """A compute provider that was asked for by name and is not available here."""


class MissingExtraError(XspecnfError):
    """A package that is not installed, and the extra that brings it."""
