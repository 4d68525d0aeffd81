package org.pocketbert.engines

private const val MOST = 4

/** Half of the cores, at most four: on phones the others are slow, and all would wait for them. */
internal fun defaultNumThreads(): Int =
    (Runtime.getRuntime().availableProcessors() / 2).coerceIn(1, MOST)
