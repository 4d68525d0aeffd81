"""What text classification is learnt from: labelled texts, and texts that a teacher is asked of."""
