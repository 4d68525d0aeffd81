package org.pocketbert.engines

import org.bytedeco.tensorflowlite.global.tensorflowlite
import org.junit.jupiter.api.Assumptions.assumeTrue
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.io.TempDir
import org.pocketbert.core.EngineException
import org.pocketbert.core.Reader
import org.pocketbert.core.SelfTest
import org.pocketbert.core.ask
import java.nio.file.Path
import kotlin.io.path.readBytes
import kotlin.io.path.writeBytes
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertNotEquals

/** A bundle's `.tflite` file in TensorFlow Lite for this machine, with [LiteRtEngine] around. */
class RealArtifactTest {
    private val bundle = givenBundle()
    private val artifact = bundle.artifact("tflite")
    private val factory = LiteRtFactory(2, ::DesktopModel)

    @BeforeEach
    fun findTensorFlowLite() {
        val isThere = try {
            tensorflowlite.TfLiteVersion() != null
        } catch (_: LinkageError) {
            false
        }
        assumeTrue(isThere, "TensorFlow Lite for the desktop runs on Linux on x86-64 only")
    }

    @Test
    fun selfTestOfTheBundlePasses() {
        factory.open(bundle, artifact).use { engine ->
            val result = SelfTest(bundle).checkEngine(engine)
            assertEquals(emptyList(), result.problems)
            assertEquals(result.numAsked, result.numSame)
        }
    }

    @Test
    fun swappedOutputsAreFoundByTheSelfTest() {
        val (start, end) = artifact.outputs
        val swapped = listOf(
            start.copy(artifactName = end.artifactName),
            end.copy(artifactName = start.artifactName),
        )
        factory.open(bundle, artifact.copy(outputs = swapped)).use { engine ->
            assertNotEquals(emptyList(), SelfTest(bundle).checkEngine(engine).problems)
        }
    }

    @Test
    fun answerStandsInTheText() {
        val text = "The tower is 41 metres tall. ".repeat(20)
        Reader(bundle, factory.open(bundle, artifact)).use { reader ->
            assertContains(text, reader.ask("How tall is the tower?", text).text)
        }
    }

    @Test
    fun fileThatIsCutOffIsAnEngineException(@TempDir folder: Path) {
        val whole = bundle.file(artifact.path).readBytes()
        val cut = folder.resolve("model.tflite").apply { writeBytes(whole.copyOf(1000)) }
        val failing = LiteRtFactory(1) { _, numThreads -> DesktopModel(cut, numThreads) }
        assertFailsWith<EngineException> { failing.open(bundle, artifact) }
    }
}
