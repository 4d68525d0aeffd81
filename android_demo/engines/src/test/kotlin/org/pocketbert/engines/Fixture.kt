package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.Bundle
import org.pocketbert.core.Row
import org.pocketbert.core.openBundle
import java.nio.file.Path

/** The bundle that the tests of all modules read. */
internal fun fixtureBundle(): Bundle =
    openBundle(Path.of("..", "core", "src", "test", "resources", "bundle"))

/** The one that `-Dpocketbert.bundle` names, or else the fixture. */
internal fun givenBundle(): Bundle =
    System.getProperty("pocketbert.bundle")?.let { openBundle(Path.of(it)) } ?: fixtureBundle()

/** For each length of an artifact, the shortest first, a full row and one with padding. */
internal fun rowsOf(artifact: Artifact): List<Row> = artifact.seqLens.flatMap { seqLen ->
    listOf(seqLen, 7).map { numTokens ->
        fun padded(value: (Int) -> Int) =
            IntArray(seqLen) { if (it < numTokens) value(it) else 0 }
        Row(padded { 2 + it % 90 }, padded { 1 }, padded { if (it > 3) 1 else 0 }, numTokens)
    }
}

/** As the manifest describes it, but with other dtypes. */
internal fun Artifact.withInputsOf(dtype: String): Artifact =
    copy(inputs = inputs.map { it.copy(dtype = dtype) })
