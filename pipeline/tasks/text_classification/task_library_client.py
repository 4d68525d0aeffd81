"""Asks Google's ``BertNLClassifier``, in the library's environment; see ``LibraryTask``."""

from collections.abc import Sequence


def ask(model: str, texts: Sequence[Sequence[str]], num_threads: int) -> list[dict[str, float]]:
    """Returns the probability of each label, by its name, for each text."""
    from tensorflow_lite_support.python.task.core.base_options import BaseOptions
    from tensorflow_lite_support.python.task.text import bert_nl_classifier as library

    options = library.BertNLClassifierOptions(
        base_options=BaseOptions(file_name=model, num_threads=num_threads)
    )
    classifier = library.BertNLClassifier.create_from_options(options)
    replies = []
    for (text,) in texts:
        [found] = classifier.classify(text).classifications
        replies.append({each.category_name: each.score for each in found.categories})
    return replies
