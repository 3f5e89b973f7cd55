"""`python -m server` is the `endturn` command."""

from .cli import main

if __name__ == "__main__":
    main()
