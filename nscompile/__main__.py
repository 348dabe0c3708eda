"""`python -m nscompile`, for where the console script is not on PATH."""

from nscompile.cli import main

if __name__ == "__main__":
    main(prog_name="nscompile")
