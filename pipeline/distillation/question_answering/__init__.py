"""What distillation knows of question answering: its data, rows and objective."""
