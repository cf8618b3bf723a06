"""Which version of assets-core this is. Apart, so that nothing has to import the public names to know it."""

__version__ = "0.1.0"
