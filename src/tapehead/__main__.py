"""`python -m tapehead` is the `tapehead` command."""

import sys

from tapehead.cli import main

if __name__ == "__main__":
    sys.exit(main())
