"""`python -m fieldspec`."""

from fieldspec.cli import main

if __name__ == "__main__":
    main()
