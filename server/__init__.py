"""What happens to a request: from OpenAI's wire format through the engine to an answer that ends."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("endturn")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
