"""``python -m pipeline`` is ``pocketbert``; ``accelerate launch -m pipeline`` needs a module."""

from pipeline.commands.app import main

if __name__ == "__main__":
    main()
