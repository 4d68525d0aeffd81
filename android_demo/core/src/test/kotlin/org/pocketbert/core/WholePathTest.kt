package org.pocketbert.core

import kotlin.io.path.readText
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import org.junit.jupiter.api.Test

/** A bundle built by Python is read, verified and asked here, with the logits it gave in Python. */
class WholePathTest {
    @Test
    fun `the logits of each artifact give the answers of Python`() {
        val bundle = openBundle(Fixture.bundle, Fixture.publicKey)
        val file = json.decodeFromString<ArtifactLogitsFile>(Fixture.artifactLogits.readText())
        assertEquals(
            setOf(bundle.artifact("executorch").path, bundle.artifact("tflite").path),
            file.runs.map { it.artifact }.toSet(),
        )
        for (run in file.runs) {
            val artifact = bundle.manifest.artifacts.first { it.path == run.artifact }
            assertTrue(run.answers.any { it.windows.size > 1 })
            for (vector in run.answers) {
                assertTrue(artifact.seqLens.containsAll(vector.seqLens))
                val engine = Recorded(artifact.copy(seqLens = vector.seqLens), vector.windows)
                val answer = Reader(bundle, engine).ask(vector.question, vector.context)
                assertAnswer(vector.answer, answer)
                assertEquals(vector.windows.size, engine.numRun)
            }
        }
    }

    /** Gives what the artifact gave in Python, if it is asked the same. */
    private class Recorded(
        override val artifact: Artifact,
        private val windows: List<AnsweredWindow>,
    ) : Engine {
        var numRun = 0
            private set

        override fun run(row: Row): Outputs {
            val recorded = windows[numRun++]
            assertEquals(recorded.inputIds, row.inputIds.asList())
            return logits(floats(recorded.startLogits), floats(recorded.endLogits))
        }

        override fun close() = Unit

        private fun floats(values: DoubleArray) = FloatArray(values.size) { values[it].toFloat() }
    }
}
