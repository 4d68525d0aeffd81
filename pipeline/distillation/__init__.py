"""Distillation: from a teacher to a student of the DistilBERT architecture.

The losses, the start from the teacher's own layers and the defaults are those of Sanh et al. 2019,
"DistilBERT, a distilled version of BERT" (arXiv 1910.01108). ``pipeline.distill`` is the flow;
here stand its parts: what is trained on (``rows``, ``squad_data``, ``qamr``), what is minimized
(``losses``, ``span_objective``, ``masked_lm``), and what carries the loop (``train``,
``checkpoints``, ``journal``).
"""
