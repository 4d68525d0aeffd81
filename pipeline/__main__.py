"""``python -m pipeline`` is ``python -m pocketbert``, where no other ``pipeline`` lies."""

from pipeline.commands.app import main

if __name__ == "__main__":
    main()
