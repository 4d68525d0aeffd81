"""Asks Google's ``BertQuestionAnswerer``, in the library's environment; see ``LibraryTask``."""

from collections.abc import Sequence


def ask(model: str, texts: Sequence[Sequence[str]], num_threads: int) -> list[str]:
    """Returns the best answer to each question, empty where the library finds none."""
    from tensorflow_lite_support.python.task.core.base_options import BaseOptions
    from tensorflow_lite_support.python.task.text import bert_question_answerer as library

    options = library.BertQuestionAnswererOptions(
        base_options=BaseOptions(file_name=model, num_threads=num_threads)
    )
    answerer = library.BertQuestionAnswerer.create_from_options(options)
    replies = []
    for question, context in texts:
        found = answerer.answer(context, question).answers
        replies.append(found[0].text if found else "")
    return replies
