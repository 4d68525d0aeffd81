"""Training: an encoder learns a task, or a teacher's student of the DistilBERT architecture does.

The losses of a student, its start from the teacher's own layers and the defaults are those of Sanh
et al. 2019, "DistilBERT, a distilled version of BERT" (arXiv 1910.01108). ``pipeline.distill`` and
``pipeline.finetune`` are the flows; here stand their parts: what is trained on and minimized (a
room for each task, and ``pre_training``), the networks (``models``, ``fine_tuning``), and what
carries the loop (``course``, ``train``, ``checkpoints``, ``journal``).
"""
