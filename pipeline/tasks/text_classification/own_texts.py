"""The texts that the package carries: what people write of films, things and days."""

from importlib import resources

from pipeline.tasks.text_classification.labelled import LabelledText, Scheme, stream_strictly

_SENTIMENT = Scheme(
    problem_type="single_label_classification", labels=("negative", "positive"), pair=False
)


def own_texts(*, labels: tuple[str, ...], pair: bool) -> tuple[LabelledText, ...]:
    """Returns the package's texts; without labels where a model's are not of sentiment.

    Args:
        labels: Of the model.
        pair: Whether it takes two texts: then each is paired with the one behind it.
    """
    with resources.as_file(resources.files(__package__) / "texts.tsv") as path:
        texts = tuple(stream_strictly(path, scheme=_SENTIMENT))
    if pair:
        following = (*texts[1:], texts[0])
        return tuple(
            LabelledText(id=one.id, text=one.text, text_pair=other.text)
            for one, other in zip(texts, following, strict=True)
        )
    if set(labels) == set(_SENTIMENT.labels or ()):
        return texts
    return tuple(LabelledText(id=each.id, text=each.text) for each in texts)
