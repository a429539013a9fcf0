"""`python -m client` is the `retake` command."""

from client.cli.main import main

if __name__ == "__main__":
    main()
