"""How work goes: processes, threads, progress, interruption, and what is kept of earlier runs."""
