"""`python -m pelton.cli`: the same as the `pelton` command."""

from pelton.cli.main import main

if __name__ == "__main__":
    main()
