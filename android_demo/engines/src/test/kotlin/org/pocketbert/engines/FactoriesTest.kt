package org.pocketbert.engines

import org.pocketbert.core.Artifact
import org.pocketbert.core.EngineException
import org.pocketbert.core.EngineFactory
import org.pocketbert.core.UnsupportedArtifactException
import java.nio.file.Path
import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs

class FactoriesTest {
    private val bundle = fixtureBundle()

    /** The factories, with what they do in place of loading a library. */
    private fun factories(load: (Path) -> Nothing): List<EngineFactory> = listOf(
        ExecuTorchFactory(1) { path, _ -> load(path) },
        LiteRtFactory(1) { path, _ -> load(path) },
    )

    private fun artifactOf(factory: EngineFactory): Artifact = bundle.artifact(factory.backend)

    @Test
    fun fileOfTheArtifactIsLoadedWithTheGivenThreads() {
        val asked = mutableListOf<Pair<Path, Int>>()
        ExecuTorchFactory(3) { path, threads -> FakeModule().also { asked += path to threads } }
            .open(bundle, bundle.artifact("executorch"))
        LiteRtFactory(2) { path, threads -> FakeModel().also { asked += path to threads } }
            .open(bundle, bundle.artifact("tflite"))
        assertEquals(
            listOf(
                bundle.file("executorch/model.pte") to 3,
                bundle.file("tflite/model.tflite") to 2,
            ),
            asked,
        )
    }

    @Test
    fun newerRuntimeIsRefusedBeforeAnythingIsLoaded() {
        for (factory in factories { error("loaded $it") }) {
            val artifact = artifactOf(factory)
            val newer = artifact.copy(requires = artifact.requires.mapValues { "99.0.0" })
            assertFailsWith<UnsupportedArtifactException> { factory.open(bundle, newer) }
        }
    }

    @Test
    fun artifactOfAnotherBackendIsRefusedBeforeAnythingIsLoaded() {
        val (first, second) = factories { error("loaded $it") }
        assertFailsWith<UnsupportedArtifactException> { first.open(bundle, artifactOf(second)) }
        assertFailsWith<UnsupportedArtifactException> { second.open(bundle, artifactOf(first)) }
    }

    @Test
    fun whateverALibraryThrowsWhileItLoadsIsAnEngineException() {
        val thrown = listOf(
            RuntimeException("Cannot load model path"),
            UnsatisfiedLinkError("dlopen failed"),
            ExceptionInInitializerError(RuntimeException("no native library")),
            OutOfMemoryError(),
        )
        for (each in thrown) {
            for (factory in factories { throw each }) {
                val failed =
                    assertFailsWith<EngineException> { factory.open(bundle, artifactOf(factory)) }
                assertEquals(each, failed.cause)
            }
        }
    }

    @Test
    fun phoneForWhichALibraryHasNoNativeCodeGetsAnEngineException() {
        // This machine is one: neither Android library loads here.
        for (factory in listOf(ExecuTorchFactory(), LiteRtFactory())) {
            val failed =
                assertFailsWith<EngineException> { factory.open(bundle, artifactOf(factory)) }
            assertIs<LinkageError>(failed.cause)
        }
    }
}
