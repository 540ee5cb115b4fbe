"""`python -m seqkit` is the `seqkit` command."""

from seqkit.cli import main

if __name__ == "__main__":
    main()
